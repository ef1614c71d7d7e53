"""What pages may say, and what comes of it: calls, refusals, endings, descriptions."""

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.docs.pages import ROOT
from tests.examples.person import Heard, Person, open_socket, signed_in
from tests.kit.command import environment
from tests.kit.daemon import Daemon, serving
from tests.kit.polling import PATIENCE_S, wait_until

HINT = "(--api names another relay, CALLVEIL_API_TOKEN its token)"
COMMITMENT = "ab" * 32
OWN = "198.51.100.23"
SDP = "\r\n".join(
    [
        "v=0",
        f"o=- 1 2 IN IP4 {OWN}",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        f"c=IN IP4 {OWN}",
        "a=mid:0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
        "a=setup:actpass",
        "a=rtpmap:111 opus/48000/2",
        f"a=candidate:1 1 udp 2122260223 {OWN} 40000 typ host",
        "",
    ]
)
_names = (f"person-{number}" for number in count())


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def url(daemon: Daemon) -> Iterator[str]:
    """Of the page."""
    with _alone(daemon.api) as page:
        yield page


@pytest.fixture
def pair(url: str) -> Iterator[list[Person]]:
    """Two strangers."""
    with signed_in(url, next(_names), next(_names)) as people:
        yield people


@contextmanager
def ringing(caller: Person, callee: Person) -> Iterator[str]:
    """A call that rings; its id."""
    callee.relate(caller.name, follow=True)
    caller.say("call", name=callee.name)
    made, rung = caller.until("calling"), callee.until("ringing")
    assert made["call"] == rung["call"]
    assert (made["name"], rung["name"]) == (callee.name, caller.name)
    yield made["call"]


def accept(callee: Person, caller: Person, call: str) -> None:
    callee.say("accept", call=call, commitment=COMMITMENT)
    assert caller.until("accepted") == callee.until("accepted")


def state_of(daemon: Daemon, call: str) -> str:
    state: str = daemon.view(call)["state"]
    return state


def until_ended(daemon: Daemon, call: str) -> None:
    wait_until(lambda: state_of(daemon, call) == "ended", "the relay has ended the call")


def get(url: str, path: str) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response, body


def test_the_page_loads_nothing_from_anywhere_else(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    response, body = get(url, "/")
    assert (response.status, "callveil" in body) == (200, True)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    for file in (ROOT / "examples/page").iterdir():
        response, text = get(url, f"/{file.name}")
        assert response.status == 200
        elsewhere = re.findall(
            r"https?://|[\"'(]//", text.replace("http://www.w3.org/2000/svg", "")
        )
        assert elsewhere == []
        assert response.headers["Content-Security-Policy"] == policy


def test_a_page_of_another_site_is_refused(url: str) -> None:
    address = url.replace("http", "ws") + "signaling"
    with (
        pytest.raises(InvalidStatus),
        connect(address, origin=Origin("http://elsewhere.example"), proxy=None),
    ):
        pass


@pytest.mark.parametrize(
    ("host", "is_served"),
    [
        ("localhost:8081", True),
        ("demo.localhost", True),
        ("127.0.0.1:1", True),
        ("[::1]:8081", True),
        ("192.0.2.7", True),
        ("rebound.example:8081", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_a_name_that_has_become_this_servers_is_refused(
    url: str, host: str, is_served: bool
) -> None:
    """DNS rebinding: to the browser, page and server are of one site then."""
    assert _status(url, "/", host) == (200 if is_served else 421)
    assert _status(url, "/signaling", host, **_UPGRADE) == (101 if is_served else 403)


_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def test_a_name_of_its_own_is_served_where_it_is_told(daemon: Daemon) -> None:
    with _alone(daemon.api, "--name", "demo.example") as url:
        found = [_status(url, "/", host) for host in ("Demo.Example.:80", "else.example")]
    assert found == [200, 421]


def _status(url: str, path: str, host: str, **headers: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request("GET", path, headers={"Host": host, **headers})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_name_is_one_page_at_a_time_and_free_again_afterwards(url: str) -> None:
    name = next(_names)
    with signed_in(url, name), open_socket(url) as second:
        second.send(json.dumps({"type": "sign_in", "name": name}))
        assert json.loads(second.recv(PATIENCE_S))["type"] == "refused"
    with signed_in(url, name):
        pass


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", '{"type":"call"}', '{"type":"call","name":"a b"}', "{" * 10_000],
)
def test_what_is_not_understood_is_refused_and_the_page_goes_on(
    pair: list[Person], text: str
) -> None:
    alice, bob = pair
    alice.send(text)
    assert alice.until("refused")["detail"]
    with ringing(alice, bob):
        pass


def test_before_signing_in_nothing_is_done(url: str) -> None:
    with open_socket(url) as socket:
        socket.send(json.dumps({"type": "call", "name": "anybody"}))
        assert json.loads(socket.recv(PATIENCE_S)) == {
            "type": "refused",
            "detail": "Sign in first.",
        }


def _refusals(alice: Person, bob: Person) -> Iterator[tuple[str, str]]:
    """Reasons for which Bob cannot be called, brought about one by one."""
    yield "not admitted", bob.name
    bob.relate(alice.name, follow=True, blocked=True)
    yield "blocked by the callee", bob.name
    bob.relate(alice.name, blocked=False)
    alice.relate(bob.name, blocked=True)
    yield "blocked by the caller", bob.name
    alice.relate(bob.name, blocked=False)
    bob.set("follow", calling=False)
    yield "calling off", bob.name
    bob.set("follow")
    yield "never seen", "nobody"
    yield "herself", alice.name
    bob.leave()
    while _is_called(alice, bob.name):  # the server has not noticed yet, and soon ends the call
        pass
    yield "away", bob.name


def _is_called(caller: Person, name: str) -> bool:
    caller.say("call", name=name)
    return bool(caller.until("unavailable", "ended")["type"] == "ended")


def test_every_refusal_is_told_the_caller_in_the_same_words(
    pair: list[Person], daemon: Daemon
) -> None:
    alice, bob = pair
    said = {}
    for why, name in _refusals(alice, bob):
        alice.say("call", name=name)
        answer = alice.until("unavailable")
        said[why] = {key: value for key, value in answer.items() if key != "name"}
    assert len(said) == 7
    assert all(each == {"type": "unavailable"} for each in said.values())
    assert daemon.ask("GET", "/v1/calls").body["calls"] == []


def test_somebody_who_is_in_a_call_is_not_available_to_others(url: str) -> None:
    with signed_in(url, *(next(_names) for _ in range(3))) as (alice, bob, carol):
        bob.relate(carol.name, follow=True)
        with ringing(alice, bob):
            carol.say("call", name=bob.name)
            assert carol.until("unavailable") == {"type": "unavailable", "name": bob.name}


def test_whose_message_is_accepted_may_call_and_not_the_other_way_round(pair: list[Person]) -> None:
    alice, bob = pair
    alice.say("message", name=bob.name)
    assert bob.until("contacts")["contacts"][0]["message"] == "sent"
    alice.say("call", name=bob.name)
    alice.until("unavailable")
    bob.say("accept_message", name=alice.name)
    assert bob.until("contacts")["contacts"][0]["may_call"]
    bob.say("call", name=alice.name)
    bob.until("unavailable")
    alice.say("call", name=bob.name)
    bob.until("ringing")


def test_a_message_to_somebody_absent_or_blocking_is_sent_like_any_other(
    pair: list[Person],
) -> None:
    alice, bob = pair
    bob.relate(alice.name, blocked=True)
    for name in (bob.name, "nobody"):
        alice.say("message", name=name)
        assert alice.until("sent") == {"type": "sent", "name": name}
    bob.relate(alice.name, blocked=False)
    assert bob.heard[-1]["contacts"][0]["message"] == "none"


def test_before_the_call_is_accepted_nothing_goes_on(pair: list[Person]) -> None:
    alice, bob = pair
    with ringing(alice, bob) as call:
        alice.say("description", call=call, kind="offer", sdp=SDP)
        alice.say("candidate", call=call, candidate="candidate:1 1 udp 1 a 9 typ host")
        alice.say("reveal", call=call, nonce=COMMITMENT)
        assert not alice.has_heard("passed_on")
        accept(bob, alice, call)
        assert not bob.has_heard("description", "candidate", "reveal")


def test_only_the_callee_accepts(pair: list[Person], daemon: Daemon) -> None:
    alice, bob = pair
    with ringing(alice, bob) as call:
        alice.say("accept", call=call, commitment=COMMITMENT)
        assert not alice.has_heard("accepted")
        assert state_of(daemon, call) == "ringing"


def _described(caller: Person, callee: Person, call: str) -> tuple[Heard, Heard]:
    """What the callee gets of the caller's offer, and what the caller hears about it."""
    caller.say("description", call=call, kind="offer", sdp=SDP)
    return callee.until("description"), caller.until("passed_on")


def test_in_a_private_call_a_description_is_passed_on_without_addresses(
    pair: list[Person],
) -> None:
    alice, bob = pair
    bob.set("follow", privacy=True)
    with ringing(alice, bob) as call:
        accept(bob, alice, call)
        got, told = _described(alice, bob, call)
        assert OWN not in got["sdp"]
        assert "a=fingerprint:sha-256 AB:" in got["sdp"]
        assert told["sdp"] == got["sdp"]
        assert {each["kind"] for each in told["removed"]} >= {"origin", "candidate_host"}
        alice.say("candidate", call=call, candidate=f"candidate:1 1 udp 1 {OWN} 9 typ host")
        assert alice.until("passed_on")["candidate"] is None
        assert not bob.has_heard("candidate")


@pytest.mark.parametrize(
    "mid", [OWN, "2001:db8::1", "", "a b", "a\n", "0" * 65, "é", "%30", 0, ["0"], {}, True]
)
def test_a_section_that_is_none_is_not_passed_on(pair: list[Person], mid: object) -> None:
    alice, bob = pair
    with ringing(alice, bob) as call:
        accept(bob, alice, call)
        alice.say("candidate", call=call, candidate="", mid=mid)
        assert alice.until("refused", "passed_on")["type"] == "refused"
        assert not bob.has_heard("candidate")
        alice.say("candidate", call=call, candidate="", mid="video_1", index=1)
        assert bob.until("candidate")["mid"] == "video_1"


def test_in_a_call_that_nobody_wants_private_it_is_passed_on_as_it_is(pair: list[Person]) -> None:
    alice, bob = pair
    with ringing(alice, bob) as call:
        accept(bob, alice, call)
        got, told = _described(alice, bob, call)
        assert (got["sdp"], told["removed"]) == (SDP, [])


def test_a_description_that_is_refused_ends_the_call(pair: list[Person], daemon: Daemon) -> None:
    alice, bob = pair
    alice.set(privacy=True)
    with ringing(alice, bob) as call:
        accept(bob, alice, call)
        alice.say("description", call=call, kind="offer", sdp="nonsense")
        for person in pair:
            assert person.until("ended")["why"] == "failed"
        until_ended(daemon, call)


def test_privacy_switched_on_in_a_call_gives_both_the_relay_and_nothing_else(
    pair: list[Person],
) -> None:
    alice, bob = pair
    with ringing(alice, bob) as call:
        accept(bob, alice, call)
        bob.set("follow", privacy=True)
        for person in pair:
            tightened = person.until("tightened")
            assert tightened["relayed"] is True
            assert tightened["rtc_configuration"]["iceTransportPolicy"] == "relay"
        got, _ = _described(alice, bob, call)
        assert OWN not in got["sdp"]


def test_privacy_switched_on_by_the_other_too_changes_nothing(pair: list[Person]) -> None:
    alice, bob = pair
    alice.set(privacy=True)
    with ringing(alice, bob) as call:
        accept(bob, alice, call)
        bob.set("follow", privacy=True)
        assert not bob.has_heard("tightened")


def _hang_up(alice: Person, _: Person, call: str) -> None:
    alice.say("hang_up", call=call)


def _decline(_: Person, bob: Person, call: str) -> None:
    bob.say("hang_up", call=call)


def _leave(_: Person, bob: Person, __: str) -> None:
    bob.leave()


def _block(alice: Person, bob: Person, _: str) -> None:
    bob.relate(alice.name, blocked=True)


def _switch_off(_: Person, bob: Person, __: str) -> None:
    bob.set("follow", calling=False)


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("do", [_hang_up, _decline, _leave, _block, _switch_off])
def test_whatever_ends_a_call_ends_it_for_both_and_at_the_relay(
    pair: list[Person], daemon: Daemon, do: Any, accepted: bool
) -> None:
    alice, bob = pair
    with ringing(alice, bob) as call:
        if accepted:
            accept(bob, alice, call)
        do(alice, bob, call)
        why = alice.until("ended")["why"]
        assert (why == "declined") == (do is _decline and not accepted)
        until_ended(daemon, call)


def test_statistics_are_the_relays(pair: list[Person]) -> None:
    alice, bob = pair
    with ringing(alice, bob) as call:
        alice.say("statistics", call=call)
        told = alice.until("statistics")
        assert told["you"]["packets"] == told["they"]["packets"] == 0


def test_a_call_that_nobody_answers_ends(daemon: Daemon) -> None:
    with _alone(daemon.api, "--ring-s", "0.2") as url, signed_in(url, "alice", "bob") as people:
        alice, bob = people
        with ringing(alice, bob) as call:
            for person in people:
                assert person.until("ended")["why"] == "unanswered"
            until_ended(daemon, call)


def test_without_a_relay_a_call_fails_and_says_so() -> None:
    with serving() as daemon, _alone(daemon.api) as url, signed_in(url, "a", "b") as people:
        alice, bob = people
        assert daemon.stop() == 0
        bob.relate("a", follow=True)
        alice.say("call", name="b")
        assert alice.until("refused")["detail"] == "The relay does not answer."
        assert alice.until("ended")["why"] == "failed"


def test_until_the_relay_is_ready_it_waits_and_says_for_what() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        api = f"127.0.0.1:{free.getsockname()[1]}"
    with _process(f"http://{api}") as process:
        assert process.stderr is not None
        waiting = process.stderr.readline()
        with serving(env={"CALLVEIL__API__LISTEN": api}):
            assert process.stderr.readline().startswith("demo http://127.0.0.1:")
    assert waiting == (
        f"demo: waiting for the relay at http://{api}: The relay does not answer. {HINT}\n"
    )


def test_a_token_that_the_relay_does_not_take_is_said() -> None:
    env = {"CALLVEIL__API__TOKENS": '["a-token-of-this-test"]'}
    with serving(env=env) as daemon, _process(daemon.api) as process:
        assert process.stderr is not None
        waiting = process.stderr.readline()
    assert "token" in waiting.removesuffix(
        "(--api names another relay, CALLVEIL_API_TOKEN its token)\n"
    )


def test_a_port_that_is_asked_for_and_taken_is_said(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with _process(daemon.api, "--port", port) as process:
            assert process.stderr is not None
            said = process.stderr.read()
            assert process.wait() == 1
    assert said == f"demo: --port: 127.0.0.1:{port}: Address already in use\n"


@contextmanager
def _alone(api: str, *options: str) -> Iterator[str]:
    """The URL of the page, once the signaling server serves it."""
    with _process(api, "--port", "0", *options) as process:
        assert process.stderr is not None
        name, _, page = process.stderr.readline().strip().partition(" ")
        assert name == "demo"
        yield page


@contextmanager
def _process(api: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """The signaling server in a process of its own, for one `with` block."""
    command = [sys.executable, "-m", "examples.signaling", "--api", api, *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            assert process.stderr is not None
            process.stderr.read()
