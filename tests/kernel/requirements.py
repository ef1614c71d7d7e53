"""What tests of the kernel program need. Under CI nothing may be skipped: it fails there."""

from pathlib import Path

from relay.errors import FastPathError
from relay.forward.kernel import libbpf
from relay.forward.kernel.compile import OBJECT, REASON
from tests.kit import requirements


def missing() -> str:
    """What to do before these tests can run; empty if they can."""
    if needs := requirements.missing({"ip": "iproute2"}):
        return needs
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
    requirements.insist("kernel fast path", missing())
