"""docs/signaling/websocket.md: the server of the page, and two people who call each other."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.kit.polling import PATIENCE_S, wait_until
from tests.kit.program import Program
from tests.kit.turn import Credential
from tests.sdp.samples import CANARIES, leaks, sample
from tests.signaling.stage import (
    MEDIA_SERVER,
    NAME,
    Place,
    assert_does_not_reach,
    assert_media_crosses,
    block,
    relaying,
    run_checks,
)

_URL = "ws://127.0.0.1:8765"


@pytest.fixture(scope="module")
def place(host: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with relaying(tmp_path_factory.mktemp("relay"), block("websocket", "yaml")) as made:
        yield made


@pytest.fixture(scope="module")
def server(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("server")
    file = home / "server.py"
    file.write_text(block("websocket", "python"))
    with Program([sys.executable, str(file)], home / "log") as program:
        wait_until(lambda: not program.is_running or _is_there(), "the server answers")
        assert program.is_running, program.log_text()
        yield
        assert "Traceback" not in program.log_text()


def _is_there() -> bool:
    try:
        with connect(f"{_URL}/nobody"):
            return True
    except OSError:
        return False


class Person:
    """Somebody who is signed in."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def say(self, kind: str, **message: object) -> None:
        """Send a message."""
        self._socket.send(json.dumps({"type": kind, **message}))

    def hear(self, kind: str) -> dict[str, Any]:
        """The next message, which must be of this kind."""
        message: dict[str, Any] = json.loads(self._socket.recv(PATIENCE_S))
        assert message["type"] == kind, message
        return message


def _credential(heard: dict[str, Any]) -> Credential:
    assert heard["rtc"]["iceTransportPolicy"] == "relay"
    (told,) = heard["rtc"]["iceServers"]
    assert all(NAME in url for url in told["urls"])
    return Credential(told["username"], told["credential"])


def _called(alice: Person, bob: Person) -> tuple[Credential, Credential, str]:
    """Alice calls Bob, and Bob's page rings. Returns: their credentials, and the call."""
    alice.say("call", to="bob")
    told = alice.hear("call"), bob.hear("call")
    assert [(each["by"], each["other"]) for each in told] == [("alice", "bob"), ("alice", "alice")]
    assert told[0]["id"] == told[1]["id"]
    return _credential(told[0]), _credential(told[1]), told[0]["id"]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_two_people_call_each_other(place: Place, server: None, transport: str) -> None:
    with connect(f"{_URL}/alice") as one, connect(f"{_URL}/bob") as two:
        alice, bob = Person(one), Person(two)
        hers, his, call = _called(alice, bob)
        bob.say("accept", id=call)
        assert alice.hear("accepted")["id"] == bob.hear("accepted")["id"] == call
        with place.client(hers, transport) as first, place.client(his) as second:
            assert_media_crosses(first, second)
            assert_does_not_reach(first, MEDIA_SERVER, 10_000)
            alice.say("end", id=call, to="bob")
            assert bob.hear("end")["id"] == call
        with place.client(his) as late:
            assert late.allocate().code == 403


def test_what_they_tell_each_other_holds_no_address(place: Place, server: None) -> None:
    with connect(f"{_URL}/alice") as one, connect(f"{_URL}/bob") as two:
        alice, bob = Person(one), Person(two)
        hers, his, call = _called(alice, bob)
        bob.say("accept", id=call)
        alice.hear("accepted"), bob.hear("accepted")
        with place.client(hers) as first, place.client(his) as second:
            assert (first.allocate().code, second.allocate().code) == (0, 0)
            alice.say(
                "describe",
                id=call,
                to="bob",
                sdp={"type": "offer", "sdp": sample("chromium_offer")},
            )
            heard = bob.hear("describe")["sdp"]
            assert heard["type"] == "offer"
            assert leaks(heard["sdp"]) == []
            own = f"candidate:1 1 udp 2122260223 {CANARIES[0]} 50000 typ host"
            candidate = {"candidate": own, "sdpMid": "0", "sdpMLineIndex": 0}
            alice.say("trickle", id=call, to="bob", candidate=candidate)
            host, port = first.relayed.reveal()
            relayed = (
                f"candidate:1 1 udp 41885695 {host} {port} typ relay raddr {CANARIES[1]} rport 9"
            )
            alice.say("trickle", id=call, to="bob", candidate={**candidate, "candidate": relayed})
            passed = bob.hear("trickle")["candidate"]["candidate"]
            assert f"{host} {port} typ relay" in passed
            assert leaks(passed) == []
        alice.say("end", id=call, to="bob")
        bob.hear("end")


def test_a_fault_of_the_relay_is_told(server: None) -> None:
    with connect(f"{_URL}/alice") as one:
        alice = Person(one)
        alice.say("accept", id="cv_nowhere")
        assert "No call has this id" in alice.hear("fault")["fault"]


def test_the_checks_of_the_page_succeed(place: Place) -> None:
    checked, probed = run_checks("websocket", place)
    assert "ok" in checked.out
    assert "relay" in probed.out
