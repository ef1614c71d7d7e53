"""The clients that can be a party: each is told to open, offer, answer, and how far it is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.kit.namespaces import Namespace
from tests.lab.party import PEER, Party
from tests.tools.interop.clients import chromium, firefox, node
from tests.tools.interop.stage import Stage

_HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"


class Client(Protocol):
    """A party, as `tests.lab.peer` is one."""

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have one thing done. Raises: RuntimeError with the client's own words."""

    def end(self) -> None:
        """End it, whatever it is doing."""


def aiortc(stage: Stage, where: Namespace) -> Client:
    """In Python, which takes its authorities from OpenSSL."""
    env = os.environ | {"SSL_CERT_FILE": str(stage.authority)}
    return Party(stage.lab, where, stage.named(PEER), env=env)


def webrtcbin(stage: Stage, where: Namespace) -> Client:
    """GStreamer with libnice."""
    command = stage.named([SYSTEM_PYTHON, str(_HERE / "webrtcbin_peer.py")])
    return Party(stage.lab, where, command)


OPEN: dict[str, Callable[[Stage, Namespace], Client]] = {
    "chromium": chromium.open_page,
    "firefox": firefox.open_page,
    "aiortc": aiortc,
    "webrtcbin": webrtcbin,
    "wrtc": node.wrtc,
    "werift": node.werift,
    "janus": aiortc,
}
