"""callveil with faults in it: `python faulty.py serve …`.

Where a datagram is decided about, and where a call is created, an exception is raised whose words,
cause and locals hold the addresses that are at hand there.
"""

import sys
from typing import Any

from relay.address import FiveTuple
from relay.cli.main import run
from relay.clock import Now
from relay.effects import Effect
from relay.server import Server

FAULT = b"fault!"
"""At the end of a datagram."""
FAULTY_PARTY = "faulty"
"""In the id of a party of a call."""

_receive = Server.receive
_create = Server.create


def _fail(what: str) -> None:
    try:
        raise OSError(111, f"cannot send to {what}", what)
    except OSError as error:
        raise RuntimeError(f"no answer for {what}") from error


def receive(self: Server, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
    """As ever, or a fault with the client's address in it."""
    if datagram.endswith(FAULT):
        _fail(client.client.reveal()[0])
    return _receive(self, datagram, client, now)


def create(self: Server, name: str, order: Any, *rest: Any) -> list[Effect]:
    """As ever, or a fault with what a party's id says in it."""
    for party in order.parties:
        if party.id.startswith(FAULTY_PARTY):
            _fail(party.id)
    return _create(self, name, order, *rest)


if __name__ == "__main__":
    Server.receive = receive  # type: ignore[method-assign]
    Server.create = create  # type: ignore[method-assign,assignment]
    sys.exit(run(sys.argv[1:]))
