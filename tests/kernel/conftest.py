"""Fixtures of the kernel path's tests: a network namespace, and the program on its bench."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.forward.kernel import FastPath, pins
from tests.kernel.bench_rig import Bench
from tests.kernel.cases import A4, B4, B6, SERVER4, SERVER6
from tests.kernel.paths import kernel_path
from tests.kernel.requirements import require
from tests.kernel.tap import Tap
from tests.kit.namespaces import Namespace, host

_numbers = itertools.count()

_SERVERS = [SERVER4, SERVER6]


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A network namespace of the module's own, entered by the thread that runs the tests."""
    require()
    with host("fastpath", next(_numbers)) as made, made.entered():
        yield made


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


@pytest.fixture
def tap(namespace: Namespace) -> Iterator[Tap]:
    """An interface that carries the relay's addresses, and knows every client's."""
    made = Tap(namespace, "cvf-tap", _SERVERS)
    made.know(A4, B4, B6)
    yield made
    made.close()


@pytest.fixture
def other(namespace: Namespace) -> Iterator[Tap]:
    """Another interface, which carries nothing and knows nobody."""
    made = Tap(namespace, "cvf-other", [])
    yield made
    made.close()


@pytest.fixture
def path(tap: Tap) -> Iterator[FastPath]:
    """The kernel path with one leg, and no route."""
    with kernel_path(_SERVERS) as made:
        yield made
