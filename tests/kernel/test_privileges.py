"""What the daemon may do before and after: CAP_BPF and CAP_NET_ADMIN to start, nothing to run."""

import subprocess
import sys
from pathlib import Path

import pytest

import relay
from tests.kit.namespaces import Namespace

_NOBODY = "65534"
_ROOT = Path(relay.__file__).parent.parent


def opened_with(namespace: Namespace, capabilities: str) -> str:
    """What a process of an ordinary user says that has these capabilities only."""
    become = ["setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups"]
    become += ["--inh-caps", capabilities, "--ambient-caps", capabilities]
    python = [sys.executable, "-B", "-W", "ignore::ResourceWarning", "-m", "tests.kernel.opener"]
    done = subprocess.run(
        namespace.command([*become, *python]),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("capabilities", ["+bpf,+net_admin", "+bpf,+net_admin,+perfmon"])
def test_ordinary_user_with_two_capabilities_opens_and_then_needs_none(
    namespace: Namespace, capabilities: str
) -> None:
    said = opened_with(namespace, capabilities)
    assert said == f"uid {_NOBODY} set True routes 1 packets 0"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ("+bpf", "CAP_NET_ADMIN missing"),
        ("+net_admin", "CAP_BPF missing"),
        ("-all", "CAP_BPF and CAP_NET_ADMIN missing"),
    ],
)
def test_missing_capability_is_named(
    namespace: Namespace, capabilities: str, expected: str
) -> None:
    assert opened_with(namespace, capabilities) == expected
