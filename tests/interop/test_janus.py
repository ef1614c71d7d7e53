"""Janus, a media server on libnice, as the callee: its echo of a WebRTC client."""

import http.client
import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.tools.audit.search import find
from tests.kit.daemon import Config
from tests.kit.polling import PATIENCE_S, wait_until
from tests.kit.requirements import require
from tests.kit.turn import credential_of
from tests.lab.party import Party
from tests.lab.relay import FOR_AIORTC, UDP_PORT, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY

CONFIG = FOR_AIORTC

_API = ("127.0.0.1", 8088)
_LIBRARY = "/usr/lib/x86_64-linux-gnu/janus"
_JANUS = """
general: {{
  configs_folder = "{home}"
  plugins_folder = "{library}/plugins"
  transports_folder = "{library}/transports"
  events_folder = "{home}"
  loggers_folder = "{home}"
  recordings_tmp_ext = "tmp"
}}
nat: {{
  turn_server = "{relay}"
  turn_port = {port}
  turn_type = "udp"
  turn_user = "{username}"
  turn_pwd = "{password}"
}}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skip, or fail under CI, where Janus is not."""
    require({"janus": "janus"})


class Janus:
    """One session with the echo test."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._number = itertools.count()
        self._path = "/janus"
        self._path += f"/{self._ask(janus='create')['data']['id']}"
        attached = self._ask(janus="attach", plugin="janus.plugin.echotest")
        self._session, self._path = self._path, f"{self._path}/{attached['data']['id']}"

    def answer(self, offer: str) -> str:
        """Its answer to an offer, with every candidate inside."""
        body = {"audio": True, "video": True}
        self._ask(janus="message", body=body, jsep={"type": "offer", "sdp": offer})
        while "jsep" not in (event := self._request("GET", self._session, None)):
            pass
        return str(event["jsep"]["sdp"])

    def _ask(self, **body: Any) -> dict[str, Any]:
        return self._request("POST", self._path, {**body, "transaction": str(next(self._number))})

    def _request(self, method: str, path: str, body: object) -> dict[str, Any]:
        connection = http.client.HTTPConnection(*_API)
        connection.sock = self._relay.lab.callee.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(PATIENCE_S)
            connection.sock.connect(_API)
            connection.request(method, path, json.dumps(body) if body else None)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer


@contextmanager
def _running(relay: Relay, call: Config, home: Path) -> Iterator[Janus]:
    username, password = credential_of(call, "callee")
    names = {
        kind: [each.name for each in Path(_LIBRARY, kind).glob("*.so")]
        for kind in ("plugins", "transports")
    }
    config = _JANUS.format(
        home=home,
        library=_LIBRARY,
        relay=RELAY.v4,
        port=UDP_PORT,
        username=username,
        password=password,
        plugins=",".join(name for name in names["plugins"] if "echotest" not in name),
        transports=",".join(name for name in names["transports"] if "http" not in name),
    )
    (home / "janus.jcfg").write_text(config)
    (home / "janus.transport.http.jcfg").write_text(
        f'general: {{ json = "compact", http = true, port = {_API[1]}, ip = "{_API[0]}" }}\n'
    )
    command = ["janus", "-F", str(home), "-C", str(home / "janus.jcfg"), "-o"]
    with relay.lab.program(relay.lab.callee, command, home / "log"):
        wait_until(lambda: _is_there(relay), "Janus answers")
        yield Janus(relay)


def _is_there(relay: Relay) -> bool:
    with relay.lab.callee.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(_API) == 0


@pytest.mark.parametrize("relay", ["user", "kernel"], indirect=True)
def test_its_echo_comes_through_the_relay_and_it_learns_no_address(
    relay: Relay, tmp_path: Path
) -> None:
    call = relay.create_call()

    with _running(relay, call, tmp_path) as janus:
        caller = Party(relay.lab, relay.lab.caller)
        try:
            caller.ask("open", configuration=call["parties"]["caller"]["rtc_configuration"])
            offer = relay.rebuild(call, "caller", caller.ask("offer")["sdp"])["sdp"]
            answer = relay.rebuild(call, "callee", janus.answer(offer))["sdp"]
            assert "a=candidate" in answer
            caller.ask("take_answer", sdp=answer)
            wait_until(lambda: caller.has_seen(audio=50, video=50), "the echo is seen")
        finally:
            caller.end()
    assert find([offer.encode(), answer.encode()], *CALLER.addresses, *CALLEE.addresses) == []
