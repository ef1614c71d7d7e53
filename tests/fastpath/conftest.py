"""Fixtures of the kernel path's tests: a network namespace, and the program on its bench."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.forward.fastpath import pins
from tests.fastpath.bench_rig import Bench
from tests.fastpath.requirements import require
from tests.lab import namespaces
from tests.lab.namespaces import Namespace

_numbers = itertools.count()


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A network namespace of the module's own, entered by the thread that runs the tests."""
    require()
    (made,) = namespaces.make([f"cvf-{os.getpid()}-{next(_numbers)}"])
    try:
        made.set_up(["link set lo up"])
        with made.entered():
            yield made
    finally:
        namespaces.remove([made.name])


@pytest.fixture(scope="module")
def bench(namespace: Namespace) -> Iterator[Bench]:
    """The loaded program, with the routes and the clock that a test gives it."""
    made = Bench()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def pins_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep pins out of the host's own BPF file system."""
    monkeypatch.setattr(pins, "FILE_SYSTEM", tmp_path / "no-bpf")
    return tmp_path
