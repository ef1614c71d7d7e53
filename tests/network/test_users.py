"""Users, as signaling servers without calls name them: they allocate, talk, and are revoked."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from urllib.parse import quote

import pytest

from relay.stun.message import Method
from tests.kit import wire
from tests.kit.daemon import SECRET, Config
from tests.kit.polling import wait_until
from tests.kit.turn import Credential
from tests.lab.calls import TCP, TLS, UDP, Access, Legs, connect, flowing
from tests.lab.relay import Relay

FIXED = Credential("asterisk", "a-password-of-the-tests")
CONFIG: Config = {
    "relay": {"peers": "relay"},
    "auth": {"secrets": [SECRET], "users": {FIXED.username: FIXED.password}},
    "limits": {"unauthenticated_per_s": 1000},
}

_FORBIDDEN, _MISMATCH, _QUOTA = 403, 437, 486
_LIMIT_S, _WATCHED_S = 1.0, 1.5  # as of an ended call
_numbers = count(1)


def rest(form: str) -> Credential:
    """A credential of the shared secret, with a user and an expiry of its own."""
    expiry = int(time.time()) + 3600 + next(_numbers)
    username = form.format(expiry=expiry, number=next(_numbers))
    return Credential(username, wire.rest_password(SECRET, username))


PROSODY, SYNAPSE = "{expiry}", "{expiry}:@alice{number}:example.org"
NEXTCLOUD, TURNED = "{expiry}:0123456789abcdef{number}", "alice{number}:{expiry}"


@contextmanager
def talking(relay: Relay, one: Credential, two: Credential, how: Access) -> Iterator[Legs]:
    """Two users, allocated in their namespaces, with channels to each other."""
    with ExitStack() as stack:
        caller = stack.enter_context(connect(relay, relay.lab.caller, how, one))
        callee = stack.enter_context(connect(relay, relay.lab.callee, UDP, two))
        for client in (caller, callee):
            assert client.allocate().code == 0
            stack.callback(client.request, Method.REFRESH, wire.lifetime(0))
        both = Legs("", caller, callee)
        both.bind()
        yield both


def assert_both_hear(both: Legs) -> None:
    """A packet crosses each way."""
    both.say(b"from the caller")
    frame = both.callee.receive()
    assert frame is not None
    assert frame[4:] == b"from the caller"
    both.reply(b"from the callee")
    frame = both.caller.receive()
    assert frame is not None
    assert frame[4:].rstrip(b"\0") == b"from the callee"


@pytest.mark.parametrize("how", [UDP, TCP, TLS], ids=["udp", "tcp", "tls"])
@pytest.mark.parametrize(
    "form", [PROSODY, SYNAPSE, NEXTCLOUD, TURNED], ids=["prosody", "synapse", "nextcloud", "turned"]
)
def test_users_of_every_form_talk(relay: Relay, form: str, how: Access) -> None:
    with talking(relay, rest(form), rest(form), how) as both:
        assert relay.metric("callveil_users") == 2
        assert_both_hear(both)
    assert relay.ask("GET", "/v1/calls").body["calls"] == []
    assert relay.metric("callveil_users") == 0


@pytest.mark.parametrize("how", [UDP, TCP, TLS], ids=["udp", "tcp", "tls"])
def test_everybody_with_the_fixed_pair_talks(relay: Relay, how: Access) -> None:
    with talking(relay, FIXED, FIXED, how) as both:
        assert relay.metric("callveil_users") == 1
        assert_both_hear(both)
        wrong = Credential(FIXED.username, wire.rest_password(SECRET, FIXED.username))
        with connect(relay, relay.lab.caller, how, wrong) as stranger:
            assert stranger.allocate().code == 401


def test_the_33rd_allocation_of_a_user_is_486(relay: Relay) -> None:
    credential = rest(SYNAPSE)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(connect(relay, relay.lab.caller, UDP, credential))
            for _ in range(33)
        ]
        assert [client.allocate().code for client in clients] == [0] * 32 + [_QUOTA]
        with connect(relay, relay.lab.caller, UDP, rest(SYNAPSE)) as other:
            assert other.allocate().code == 0
            other.request(Method.REFRESH, wire.lifetime(0))
        for client in clients[:32]:
            assert client.request(Method.REFRESH, wire.lifetime(0)).code == 0


@pytest.mark.parametrize("how", [UDP, TCP, TLS], ids=["udp", "tcp", "tls"])
def test_a_revoked_user_is_silent_within_a_second_and_stays_out(relay: Relay, how: Access) -> None:
    credential = rest(SYNAPSE)
    expiry, _, user = credential.username.partition(":")
    with ExitStack() as stack:
        caller = stack.enter_context(connect(relay, relay.lab.caller, how, credential))
        callee = stack.enter_context(connect(relay, relay.lab.callee, UDP, rest(SYNAPSE)))
        for client in (caller, callee):
            assert client.allocate().code == 0
        both = Legs("", caller, callee)
        both.bind()
        with flowing(both, settle_s=0) as flow:
            wait_until(lambda: all(flow.arrived.values()), "something arrives on both sides")
            for _ in range(2):
                assert relay.ask("DELETE", f"/v1/users/{quote(user, safe='')}").status == 204
            revoked = time.monotonic()
            wait_until(lambda: time.monotonic() > revoked + _WATCHED_S, "it was watched for long")
        sent = [flow.sent_at[number] for each in flow.arrived.values() for number in each]
        assert max(sent) < revoked + _LIMIT_S
        assert flow.lost() > 0
        assert caller.request(Method.REFRESH).code == _MISMATCH
        for username in (credential.username, f"{user}:{int(expiry) + 9}"):
            again = Credential(username, wire.rest_password(SECRET, username))
            with connect(relay, relay.lab.caller, how, again) as client:
                assert client.allocate().code == _FORBIDDEN
        assert callee.request(Method.REFRESH, wire.lifetime(0)).code == 0
    assert relay.metric('callveil_refused_total{reason="revoked"}') > 0
