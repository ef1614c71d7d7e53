"""The relays that are compared, as data.

To measure another relay, add a `System`: everything else follows from its fields.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.topology import LINKS, RELAY_ADDRESS

SECRET = "benchmark-shared-secret"  # noqa: S105 -- used in namespaces that end with the run
REALM = "benchmark"
FIRST_RELAY_PORT, LAST_RELAY_PORT = 10_000, 65_535

Kind = Literal["reference", "user", "kernel"]
"""What the others are compared with; a relay that forwards in user space; one that does so in the
kernel. It decides which targets apply."""


@dataclass(frozen=True, slots=True)
class System:
    """One relay, in one configuration.

    Args:
        name: on the command line, in tables and in the JSON.
        kind: what it is in the comparison.
        program: found next to the Python interpreter or on PATH.
        arguments: `{config}` and `{directory}` are filled in.
        version_arguments: make the program print its version, on any stream.
        config: written as YAML to the file that `{config}` names.
        has_kernel_path: it is callveil's own, which `benchmarks.kernel` can measure alone.
        package: what to install when the program is missing.
    """

    name: str
    kind: Kind
    program: str
    arguments: tuple[str, ...]
    version_arguments: tuple[str, ...]
    package: str
    config: Mapping[str, object] | None = None
    has_kernel_path: bool = False

    def executable(self) -> str | None:
        """The program's file, or None if it is not installed."""
        beside = Path(sys.executable).with_name(self.program)
        return str(beside) if beside.is_file() else shutil.which(self.program)

    def version(self) -> str:
        """The last line of what the program says about its version; empty if it says nothing."""
        command = [self.executable() or self.program, *self.version_arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        lines = (done.stdout + done.stderr).split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _callveil(name: str, kind: Kind, mode: Literal["off", "require"]) -> System:
    # The limits are those of one leg or one source, and here one source is all clients.
    limits = {
        "bitrate_bps": 10**11,
        "packets_per_s": 10**8,
        "unauthenticated_per_s": 10**6,
        "call_duration_s": 86_400,
    }
    return System(
        name=name,
        kind=kind,
        program="callveil",
        arguments=("serve", "--config", "{config}"),
        version_arguments=("--version",),
        package="the callveil package itself: make setup",
        config={
            "realm": REALM,
            "listen": [f"udp://{RELAY_ADDRESS}:3478"],
            "relay": {"addresses": [RELAY_ADDRESS]},
            "auth": {"secrets": [SECRET]},
            "limits": limits,
            "fastpath": {"mode": mode, "interfaces": [link.party for link in LINKS]},
            "api": {"listen": "127.0.0.1:8080"},
        },
        has_kernel_path=kind == "kernel",
    )


SYSTEMS = (
    System(
        name="coturn",
        kind="reference",
        program="turnserver",
        arguments=(
            "-n",
            "--no-tls",
            "--no-dtls",
            "--no-cli",
            "--relay-threads=1",
            "--lt-cred-mech",
            "--use-auth-secret",
            f"--static-auth-secret={SECRET}",
            f"--realm={REALM}",
            f"--listening-ip={RELAY_ADDRESS}",
            f"--relay-ip={RELAY_ADDRESS}",
            f"--min-port={FIRST_RELAY_PORT}",
            f"--max-port={LAST_RELAY_PORT}",
            "--no-multicast-peers",
            "--no-software-attribute",
            "--no-rfc5780",
            "--stale-nonce=0",
            "--user-quota=0",
            "--total-quota=0",
            "--no-stdout-log",
            "--simple-log",
            "--log-file={directory}/log",
            "--pidfile={directory}/pid",
        ),
        version_arguments=("--version",),
        package="coturn",
    ),
    _callveil("callveil-user", "user", "off"),
    _callveil("callveil-kernel", "kernel", "require"),
)
