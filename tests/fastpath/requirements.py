"""What tests of the kernel program need. Under CI nothing may be skipped: it fails there."""

import os
import shutil
from pathlib import Path

import pytest

from relay.errors import FastPathError
from relay.forward.fastpath import libbpf
from relay.forward.fastpath.compile import OBJECT, REASON


def missing() -> str:
    """What to do before these tests can run; empty if they can."""
    if os.geteuid() != 0:
        return "run as root"
    if not shutil.which("ip"):
        return "apt-get install iproute2"
    if not OBJECT.exists():
        return REASON.read_text().strip() if REASON.exists() else "pip install --editable ."
    if not Path("/dev/net/tun").exists():
        return "modprobe tun"
    try:
        libbpf.load_library()
    except FastPathError as error:
        return str(error)
    return ""


def require() -> None:
    """Skip, or fail under CI, a test that cannot run here."""
    needs = missing()
    if needs and {"CI", "CALLVEIL_TEST_NO_SKIPS"} & set(os.environ):
        pytest.fail(f"kernel fast path: {needs}", pytrace=False)
    if needs:
        pytest.skip(f"kernel fast path: {needs}")
