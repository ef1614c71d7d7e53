"""Captures of one interface each, with a sure start and a sure end.

The start is tcpdump's own word that it listens. The end is a marker frame sent through the same
interface: once the marker is in the file, everything before it is. What the kernel dropped is an
error, because a capture with holes proves nothing.
"""

import os
import re
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from relay.tools.audit.packets import Packet, parse
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S
from tests.lab import pcap
from tests.lab.topology import UPLINK, Lab

_MARKER_TYPE = 0x9000  # Ethernet's loopback test, which carries no packet

# Every packet at once, unbuffered, none cut: nothing in the laboratory is longer than 2048 bytes,
# and the kernel's buffer holds as many packets as the longest go into it.
_TCPDUMP = ["tcpdump", "--immediate-mode", "-U", "-n", "-Z", "root", "-s", "2048", "-B", "65536"]


class Capture:
    """A running capture of one interface of one namespace."""

    def __init__(self, lab: Lab, where: Namespace, interface: str, path: Path) -> None:
        self.where = where
        self.interface = interface
        self.path = path
        self._process = lab.popen(
            where,
            [*_TCPDUMP, "-i", interface, "-w", str(path)],
            stderr=subprocess.PIPE,
        )
        self._said = ""
        self._reader = pcap.Follower(path)
        self._packets: list[Packet] = []

    def wait_until_listening(self) -> None:
        """Return when everything from now on is captured."""
        self._read_until("listening on ")

    def packets(self) -> list[Packet]:
        """Every packet that passed before this call, markers left out. The capture goes on."""
        marker = struct.pack("!6s6sH", b"\xff" * 6, bytes(6), _MARKER_TYPE) + os.urandom(46)
        with (
            self.where.entered(),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw,
        ):
            raw.bind((self.interface, 0))
            raw.send(marker)
        deadline = time.monotonic() + PATIENCE_S
        while not self._read_up_to(marker):
            if time.monotonic() > deadline:
                raise TimeoutError("the capture did not come to its marker")
            select.select([], [], [], 0.005)
        return list(self._packets)

    def _read_up_to(self, marker: bytes) -> bool:
        """Take in what has been written; whether the marker is in it."""
        is_there = False
        for time_s, frame in self._reader.read():
            if frame[12:14] != _MARKER_TYPE.to_bytes(2, "big"):
                self._packets.append(parse(frame, time_s))
            is_there |= frame == marker
        return is_there

    def frames(self) -> list[bytes]:
        """The same, as bytes, for `relay.tools.audit.search.find`."""
        return [packet.frame for packet in self.packets()]

    def stop(self) -> list[Packet]:
        """End the capture and return every packet of it.

        Raises: RuntimeError if the kernel dropped any.
        """
        packets = self.packets()
        self._process.send_signal(signal.SIGINT)
        said = self._read_until("dropped by kernel")
        self._process.wait(PATIENCE_S)
        dropped = re.search(r"(\d+) packets? dropped by kernel", said)
        if not dropped or int(dropped[1]):
            raise RuntimeError("the capture has holes")
        return packets

    def abandon(self) -> None:
        """End the capture whatever state it is in."""
        self._process.kill()

    def _read_until(self, words: str) -> str:
        """Read what tcpdump says until it says `words`."""
        assert self._process.stderr is not None
        deadline = time.monotonic() + PATIENCE_S
        while words not in self._said:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._process.stderr], [], [], max(left, 0))
            chunk = os.read(self._process.stderr.fileno(), 65536) if ready else b""
            if not chunk:
                raise RuntimeError(f"tcpdump said only: {self._said}")
            self._said += chunk.decode()
        return self._said


Point = tuple[Namespace, str]


def everywhere(lab: Lab) -> dict[str, Point]:
    """Where a capture is worth having: every interface of the parties, the relay and the sink."""
    return {
        "caller": (lab.caller, UPLINK),
        "caller-nat": (lab.caller_nat, UPLINK),
        "callee": (lab.callee, UPLINK),
        "callee-nat": (lab.callee_nat, UPLINK),
        "relay": (lab.relay, UPLINK),
        "relay-lo": (lab.relay, "lo"),
        "sink": (lab.sink, UPLINK),
    }


@contextmanager
def capturing(
    lab: Lab, directory: Path, names: Iterable[str] | None = None
) -> Iterator[dict[str, Capture]]:
    """Capture at these points of `everywhere`, all of them by default, for one `with` block."""
    points = everywhere(lab)
    captures: dict[str, Capture] = {}
    try:
        for name in points if names is None else names:
            where, interface = points[name]
            captures[name] = Capture(lab, where, interface, directory / f"{name}.pcap")
        for capture in captures.values():
            capture.wait_until_listening()
        yield captures
    finally:
        for capture in captures.values():
            capture.abandon()
