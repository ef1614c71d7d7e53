"""One page of the demo without a browser: says what a page says, hears what it hears."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.kit.polling import PATIENCE_S

Heard = dict[str, Any]


class Person:
    """Somebody's page."""

    def __init__(self, socket: ClientConnection, name: str) -> None:
        self._socket = socket
        self.name = name
        self.heard: list[Heard] = []

    def say(self, type_: str, **fields: object) -> None:
        """Send one message."""
        self._socket.send(json.dumps({"type": type_, **fields}))

    def send(self, text: str) -> None:
        """Send anything."""
        self._socket.send(text)

    def until(self, *types: str) -> Heard:
        """Wait for the next message of one of these types."""
        while True:
            heard: Heard = json.loads(self._socket.recv(PATIENCE_S))
            self.heard.append(heard)
            if heard["type"] in types:
                return heard

    def has_heard(self, *types: str) -> bool:
        """Whether a message of these types has come by now.

        The server answers what it does not understand after all that was under way before.
        """
        self.send("?")
        self.until("refused")
        return any(each["type"] in types for each in self.heard)

    def relate(self, name: str, **facts: bool) -> None:
        """Follow, block, …, and wait until it holds."""
        self.say("relation", name=name, **facts)
        self.until("contacts")

    def set(self, *allow: str, calling: bool = True, privacy: bool = False) -> None:
        """Set every switch, and wait until they hold."""
        self.say("settings", calling=calling, allow=allow, enhanced_call_privacy=privacy)
        self.until("contacts")

    def leave(self) -> None:
        """Close the page."""
        self._socket.close()


def open_socket(url: str) -> ClientConnection:
    """The WebSocket of a page that has just been loaded."""
    return connect(url.replace("http", "ws", 1) + "signaling", proxy=None)


@contextmanager
def signed_in(url: str, *names: str) -> Iterator[list[Person]]:
    """Pages of these people, for one `with` block."""
    with ExitStack() as stack:
        people = []
        for name in names:
            socket = stack.enter_context(open_socket(url))
            people.append(Person(socket, name))
            people[-1].say("sign_in", name=name)
            people[-1].until("contacts")
        yield people
