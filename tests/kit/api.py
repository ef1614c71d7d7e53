"""A client of the HTTP API: asks, and keeps what it was answered."""

import http.client
import json
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.kit.polling import PATIENCE_S, wait_until

TOKEN = "a-token-of-the-tests"
_SAMPLE = re.compile(r"^(\w+(?:\{[^}]*\})?) ([0-9.eE+-]+)$", re.MULTILINE)

Json = dict[str, Any]


class Answer(NamedTuple):
    """One answer; `body` is None where there is none, text where it is no JSON."""

    status: int
    body: Any


class ApiClient(ABC):
    """Whoever can connect to an API; `bodies` has every answer, for the search for addresses."""

    parties = ("alice", "bob")

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    @abstractmethod
    def connect_api(self) -> socket.socket:
        """A connection to it."""

    def ask(self, method: str, path: str, body: object = None, token: str = TOKEN) -> Answer:
        """One request."""
        connection = http.client.HTTPConnection("127.0.0.1")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.sock = self.connect_api()
            connection.sock.settimeout(PATIENCE_S)
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            self.bodies.append(repr(response.getheaders()).encode() + content)
        finally:
            connection.close()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return Answer(response.status, json.loads(content) if is_json else content.decode() or None)

    def create_call(self, **more: object) -> Json:
        """A call between the parties, the first of whom asks for privacy; nobody need accept it.

        Args:
            more: of the body of `POST /v1/calls`.
        """
        first, *others = ({"id": party} for party in self.parties)
        parties = [{**first, "enhanced_call_privacy": True}, *others]
        answer = self.ask("POST", "/v1/calls", {"parties": parties, "ring": False, **more})
        assert answer.status == 201, answer
        assert isinstance(answer.body, dict)
        return answer.body

    def view(self, call: Json | str) -> Json:
        """A call, by itself or by its id, as it is shown now."""
        return self._of_call("GET", call, "")

    def statistics(self, call: Json | str) -> dict[str, Json]:
        """The same of each party."""
        parties: dict[str, Json] = self.view(call)["parties"]
        return parties

    def accept_call(self, call: Json | str, body: object = None) -> Json:
        """Somebody picks up. Returns: what the signaling server is told."""
        return self._of_call("POST", call, "/accept", body)

    def rebuild(self, call: Json, party: str, sdp: str) -> Json:
        """A description as the other party may see it."""
        return self._of_call("POST", call, "/description", {"from": party, "sdp": sdp})

    def end_call(self, call: Json | str) -> None:
        """It is over, or was already."""
        assert self.ask("DELETE", _path_of(call)).status == 204

    def _of_call(self, method: str, call: Json | str, what: str, body: object = None) -> Json:
        answer = self.ask(method, _path_of(call) + what, body)
        assert answer.status == 200, answer
        assert isinstance(answer.body, dict)
        return answer.body

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name with labels as it stands in the text."""
        answer = self.ask("GET", "/metrics")
        assert answer.status == 200
        return {match[1]: float(match[2]) for match in _SAMPLE.finditer(answer.body)}

    def metric(self, name: str) -> float:
        """One of them."""
        return self.metrics()[name]

    @contextmanager
    def dropping(self, *reasons: str, count: int | None = None) -> Iterator[None]:
        """Wait at the end until so many more were dropped, for these reasons or for any.

        Args:
            count: exactly so many; any number unless said.
        """
        before = self.drops(*reasons)

        def is_over() -> bool:
            more = self.drops(*reasons) - before
            return more > 0 if count is None else more == count

        yield
        wait_until(is_over, "what was sent is dropped")

    def drops(self, *reasons: str) -> int:
        """Datagrams dropped so far, for these reasons or for any."""
        return int(
            sum(
                value
                for name, value in self.metrics().items()
                if name.startswith("callveil_drops_total")
                and (not reasons or any(f'reason="{reason}"' in name for reason in reasons))
            )
        )


def _path_of(call: Json | str) -> str:
    return f"/v1/calls/{call if isinstance(call, str) else call['id']}"
