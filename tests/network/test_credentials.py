"""Credentials that are forged, expired, replayed or cut short, and requests out of place.

Each is answered or dropped as the RFCs say, and none leaves an allocation behind.
"""

import os
import time
from collections.abc import Iterator

import pytest

from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.kit.daemon import SECRET, Config
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential
from tests.lab.calls import TCP, UDP, connect, legs, mint
from tests.lab.relay import Relay

# Nothing here is forwarded.
PATHS = ("user",)
CONFIG: Config = {"limits": {"unauthenticated_per_s": 1000}}

_UNAUTHENTICATED, _FORBIDDEN, _MISMATCH, _WRONG_CREDENTIALS, _STALE = 401, 403, 437, 441, 438
_UDP_RELAYED = wire.transport(17)


def _rest(username: str) -> Credential:
    return Credential(username, wire.rest_password(SECRET, username))


def _allocations(relay: Relay) -> float:
    return sum(v for k, v in relay.metrics().items() if k.startswith("callveil_allocations"))


@pytest.fixture
def unchanged(relay: Relay) -> Iterator[None]:
    """No allocation more after the test than before."""
    before = _allocations(relay)
    yield
    assert _allocations(relay) == before


def _forged() -> dict[str, Credential]:
    good = mint("a-call", "a-leg")
    later = str(int(time.time()) + 7200)
    other = wire.rest_password("not the secret of the laboratory", good.username)
    return {
        "made with another secret": Credential(good.username, other),
        "of another leg": Credential(good.username.replace("a-leg", "b-leg"), good.password),
        "of another call": Credential(good.username.replace("a-call", "b-call"), good.password),
        "extended": Credential(later + good.username[good.username.index(":") :], good.password),
        "no password": Credential(good.username, ""),
        "the secret itself": Credential(good.username, SECRET),
        "expired": mint("a-call", "a-leg", expires_in_s=-1),
        "expired long ago": mint("a-call", "a-leg", expires_in_s=-(10**6)),
        "no expiry": _rest("a-call:a-leg"),
        "negative expiry": _rest("-1:a-call:a-leg"),
        "expiry with a plus": _rest(f"+{later}:a-call:a-leg"),
        "expiry in other digits": _rest("٣٣٣٣٣٣٣٣٣٣:a-call:a-leg"),
        "expiry out of range": _rest(f"{10**30}:a-call:a-leg"),
        "empty call and leg": _rest(f"{later}::"),
        "no call": _rest(f"{later}:user"),
        "empty": _rest(""),
    }


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", _forged())
def test_a_credential_that_is_not_good_allocates_nothing(relay: Relay, name: str) -> None:
    credential = _forged()[name]
    with connect(relay, relay.lab.caller, UDP, credential) as client:
        assert client.allocate().code in (_UNAUTHENTICATED, _FORBIDDEN)
    with connect(relay, relay.lab.caller, TCP, credential) as client:
        assert client.allocate().code in (_UNAUTHENTICATED, _FORBIDDEN)


@pytest.mark.usefixtures("unchanged")
def test_a_call_that_the_api_never_made_or_has_ended_is_not_to_be_had(relay: Relay) -> None:
    with legs(relay) as call:
        ended = call.caller.turn.credential
        unregistered = mint("cv_AAAAAAAAAAAAAAAAAAAAAA", "leg")
        stranger = mint(call.id, "not-one-of-its-legs")
        for credential in (unregistered, stranger):
            with connect(relay, relay.lab.caller, UDP, credential) as client:
                assert client.allocate().code == _FORBIDDEN
    with connect(relay, relay.lab.caller, UDP, ended) as client:
        assert client.allocate().code == _FORBIDDEN


def _signed_allocate(client: TurnClient) -> bytes:
    """An Allocate request that would succeed, not sent."""
    plain = wire.build(Method.ALLOCATE, Class.REQUEST, os.urandom(12), [_UDP_RELAYED])
    challenge = client.exchange(plain)
    assert challenge.code == _UNAUTHENTICATED
    assert client.turn.take_challenge(challenge)
    return client.turn.signed(Method.ALLOCATE, [_UDP_RELAYED], os.urandom(12))


def test_a_request_replayed_from_elsewhere_gets_a_new_nonce_and_nothing_else(relay: Relay) -> None:
    with (
        connect(relay, relay.lab.caller, UDP, mint("replayed", "a")) as client,
        connect(relay, relay.lab.callee, UDP, mint("replayed", "b")) as thief,
    ):
        request = _signed_allocate(client)
        before = _allocations(relay)

        assert thief.exchange(request).code == _STALE
        assert _allocations(relay) == before

        first = client.exchange(request)
        assert first.code == 0
        assert client.exchange(request).raw == first.raw  # a retransmission is no replay
        assert _allocations(relay) == before + 1
        assert thief.exchange(request).code == _STALE


@pytest.mark.usefixtures("unchanged")
def test_a_request_cut_short_anywhere_is_dropped_and_counted(relay: Relay) -> None:
    with connect(relay, relay.lab.caller, UDP, mint("truncated", "a")) as client:
        request = _signed_allocate(client)
        with relay.dropping(count=len(request)):
            for size in range(len(request)):
                client.send_raw(request[:size])
        assert client.receive(0) is None


@pytest.mark.usefixtures("unchanged")
def test_a_request_with_any_bit_of_its_mac_turned_is_refused(relay: Relay) -> None:
    with connect(relay, relay.lab.caller, UDP, mint("turned", "a")) as client:
        request = _signed_allocate(client)
        for bit in range(0, 160, 7):
            turned = bytearray(request)
            turned[-20 + bit // 8] ^= 1 << bit % 8
            assert client.exchange(bytes(turned)).code == _UNAUTHENTICATED


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("nonce", [b"x", b"obMatJos2AAAA", bytes(200), b"\xff" * 16])
def test_a_nonce_that_is_not_the_relays_is_answered_with_438_or_dropped(
    relay: Relay, nonce: bytes
) -> None:
    with connect(relay, relay.lab.caller, UDP, mint("nonces", "a")) as client:
        _signed_allocate(client)
        good, client.turn.nonce = client.turn.nonce, nonce
        request = client.turn.signed(Method.ALLOCATE, [_UDP_RELAYED], os.urandom(12))
        try:
            nonce.decode()
        except UnicodeDecodeError:  # no NONCE of RFC 8489 section 14.10
            with relay.dropping("bad_attribute"):
                client.send_raw(request)
            return
        answer = client.exchange(request)
        assert answer.code == _STALE
        assert answer.value(Attribute.NONCE) != nonce
        assert good != nonce


def test_a_request_from_another_five_tuple_finds_no_allocation(relay: Relay) -> None:
    with (
        legs(relay) as call,
        connect(relay, relay.lab.caller, UDP, call.caller.turn.credential) as elsewhere,
    ):
        elsewhere.turn.realm = call.caller.turn.realm
        elsewhere.turn.nonce = call.caller.turn.nonce  # which is not good there: it gets another
        assert elsewhere.request(Method.REFRESH).code == _MISMATCH
        assert elsewhere.permit(call.callee.relayed) == _MISMATCH
        assert elsewhere.bind(0x4000, call.callee.relayed) == _MISMATCH

        call.bind()
        with relay.dropping("no_allocation", count=2):
            elsewhere.send(call.callee.relayed, b"from elsewhere")
            elsewhere.send_on(0x4321, b"from elsewhere")
        call.say(b"from where it was made")
        frame = call.callee.receive()
        assert frame is not None
        assert frame[4:] == b"from where it was made"


def test_another_legs_credential_cannot_touch_an_allocation(relay: Relay) -> None:
    with legs(relay) as call:
        own = call.caller.turn.credential
        call.caller.turn.credential = call.callee.turn.credential
        assert call.caller.request(Method.REFRESH).code == _WRONG_CREDENTIALS
        assert call.caller.permit(call.callee.relayed) == _WRONG_CREDENTIALS
        assert call.caller.bind(0x4000, call.callee.relayed) == _WRONG_CREDENTIALS
        call.caller.turn.credential = own
        assert call.caller.request(Method.REFRESH).code == 0
