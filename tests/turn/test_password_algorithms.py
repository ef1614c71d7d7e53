"""PASSWORD-ALGORITHMS, and that nobody on the way bids down: RFC 8489 sections 9.2.1 to 9.2.5."""

import struct
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.address import Transport
from relay.effects import Answered
from tests.kit import rfc8489, wire
from tests.kit.rfc8489 import MD5, SHA256, BidDown
from tests.kit.wire import Attribute, Class, Method
from tests.turn.client import REALM, Relay
from tests.turn.talking import Talk

OFFER = bytes.fromhex("0002000000010000")
"""SHA-256, then MD5, both without parameters."""


def test_sha256_is_offered_first_with_the_cookie_and_used_both_ways() -> None:
    talk = Talk()
    answer = talk.allocate()
    assert answer.code == 0
    challenge = talk.answers[0]
    assert challenge.value(Attribute.PASSWORD_ALGORITHMS) == OFFER
    assert rfc8489.features_of(challenge.value(Attribute.NONCE)) == {rfc8489.PASSWORD_ALGORITHMS}
    assert talk.client.algorithm == SHA256
    assert talk.client.is_genuine(answer)
    refused = talk.run(talk.client.bind(0x1000, talk.client.relayed))
    assert refused.code == 400
    assert talk.client.is_genuine(refused)


def test_a_client_that_knows_md5_only_chooses_it_and_is_answered_with_sha256_integrity() -> None:
    """RFC 8489 section 9.2.4: MESSAGE-INTEGRITY only for those who say nothing of algorithms."""
    talk = Talk(knows=[MD5])
    answer = talk.allocate()
    assert (answer.code, talk.client.algorithm) == (0, MD5)
    assert talk.client.is_genuine(answer)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_over_a_stream_the_offer_is_always_made(transport: Transport) -> None:
    talk = Talk(transport=transport, software=b"")
    assert talk.allocate().code == 0
    assert talk.client.algorithm == SHA256


def test_a_client_that_knows_nothing_of_it_says_nothing_and_gets_message_integrity() -> None:
    relay = Relay()
    client = relay.client(transport=Transport.TCP)
    assert client.challenge().answer.values(Attribute.PASSWORD_ALGORITHMS) == [OFFER]
    answer = client.allocate().accepted()
    assert len(answer.value(Attribute.MESSAGE_INTEGRITY)) == 20
    assert answer.values(Attribute.MESSAGE_INTEGRITY_SHA256) == []


def test_a_later_request_may_leave_the_offer_out_beside_sha256_and_not_beside_md5() -> None:
    """RFC 8489 section 9.2.3.2 asks for PASSWORD-ALGORITHM alone."""
    for algorithm, code in ((SHA256, 0), (MD5, 400)):
        talk = Talk()
        talk.run(talk.client.allocate())
        talk.client.algorithm = algorithm
        transaction = bytes(12)
        whole = wire.parse(talk.client.signed(Method.REFRESH, [], transaction))
        out = (Attribute.PASSWORD_ALGORITHMS, Attribute.MESSAGE_INTEGRITY_SHA256)
        attributes = [pair for pair in whole.attributes if pair[0] not in out]
        request = wire.build(
            Method.REFRESH, Class.REQUEST, transaction, attributes, key=talk.client.key, sha256=True
        )
        assert talk.ask(request).code == code


def test_a_client_that_changes_the_algorithm_keeps_its_allocation() -> None:
    talk = Talk()
    assert talk.allocate().code == 0
    for algorithm in (MD5, None, SHA256):
        talk.client.algorithm = algorithm
        answer = talk.run(talk.client.refresh(600))
        assert answer.code == 0
        assert talk.client.is_genuine(answer)


def test_both_integrity_attributes_the_sha256_one_is_checked() -> None:
    for is_right in (True, False):
        talk = Talk()
        client = talk.client
        client.take_challenge(talk.challenge())
        parts = wire.parse(client.signed(Method.ALLOCATE, [wire.transport(17)], bytes(12)))
        attributes = parts.attributes[:-1]
        first = wire.parse(
            wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), attributes, key=client.key)
        )
        key = client.key if is_right else bytes(32)
        both = wire.build(
            Method.ALLOCATE, Class.REQUEST, bytes(12), first.attributes, key=key, sha256=True
        )
        assert talk.ask(both).code == (0 if is_right else 401)


def _bids(answer: wire.Stun) -> Iterator[list[tuple[int, bytes]]]:
    """A challenge, changed in each way that would have a client use less than it was offered."""
    offer, nonce = Attribute.PASSWORD_ALGORITHMS, Attribute.NONCE
    plain = answer.value(nonce)
    lists = [None, b"", OFFER[4:], OFFER[4:] + OFFER[:4], bytes.fromhex("0001000000020000")]
    without_bit = plain[:9] + b"AAAA" + plain[13:]
    nonces = [plain, plain[13:], without_bit, plain[:9] + b"wAAA" + plain[13:]]
    changes = [*product(lists, nonces), *((OFFER, nonce) for nonce in nonces[1:])]
    for algorithms, changed in changes:
        attributes = [pair for pair in answer.attributes if pair[0] not in (offer, nonce)]
        attributes.append((nonce, changed))
        if algorithms is not None:
            attributes.append((offer, algorithms))
        yield attributes


def test_no_change_of_the_challenge_makes_a_client_use_less() -> None:
    """It gives up, is refused, or is challenged anew and uses SHA-256 then."""
    seen = set()
    for bid in _bids(_challenge()):
        talk = Talk()
        talk.bids.append(bid)
        try:
            answer = talk.allocate()
        except BidDown:
            seen.add("gave up")
            continue
        seen.add(f"{answer.code}")
        assert answer.code in (400, 401, 438)
        if answer.code == 438:
            assert answer.value(Attribute.PASSWORD_ALGORITHMS) == OFFER
    assert {"gave up", "400", "438"} <= seen


def _challenge() -> wire.Stun:
    """One for the five-tuple that every `Talk` with a relay of its own has."""
    return Talk().challenge()


@pytest.mark.parametrize(
    ("algorithm", "algorithms"),
    [
        (None, OFFER),
        ("00020000", OFFER[:4]),
        ("00010000", OFFER[4:]),
        ("00020000", OFFER[4:] + OFFER[:4]),
        ("00020000", OFFER + bytes.fromhex("00030000")),
        ("00030000", OFFER),
        ("00010000", None),
        ("000200010a000000", OFFER),
        ("00020000", b""),
    ],
)
def test_what_does_not_fit_the_offer_is_400(
    algorithm: str | None, algorithms: bytes | None
) -> None:
    talk = Talk()
    client = talk.client
    client.take_challenge(talk.challenge())
    client.algorithm = None
    chosen = [(Attribute.PASSWORD_ALGORITHM, bytes.fromhex(algorithm))] if algorithm else []
    echoed = [(Attribute.PASSWORD_ALGORITHMS, algorithms)] if algorithms is not None else []
    more = [wire.transport(17), *chosen, *echoed]
    answer = talk.ask(client.signed(Method.ALLOCATE, more, bytes(12)))
    assert answer.code == 400
    assert answer.kinds == [Attribute.ERROR_CODE]


def test_whoever_shows_that_it_knows_rfc_8489_gets_the_offer_with_438() -> None:
    """Its first request was too short for the offer; its source is known by then."""
    relay = Relay()
    client = relay.client()
    client.challenge()
    assert rfc8489.features_of(client.nonce) == set()
    client.sha256 = True
    exchange = client.allocate()
    assert exchange.code == 438
    assert exchange.answer.value(Attribute.PASSWORD_ALGORITHMS) == OFFER
    client.nonce = exchange.answer.value(Attribute.NONCE)
    answer = client.allocate().accepted()
    assert len(answer.value(Attribute.MESSAGE_INTEGRITY)) == 20


def test_a_password_algorithm_without_an_offer_is_438_with_it() -> None:
    talk = Talk(software=b"")
    client = talk.client
    client.take_challenge(talk.challenge())
    assert client.algorithm is None
    client.algorithm, client.offered = SHA256, OFFER
    answer = talk.ask(client.signed(Method.ALLOCATE, [wire.transport(17)], bytes(12)))
    assert answer.code == 438
    assert client.take_challenge(answer)
    assert talk.allocate().code == 0


def test_cookie_and_list_come_together_or_not_at_all() -> None:
    for size, transport in product(range(64), Transport):
        talk = Talk(software=bytes(size), transport=transport)
        answer = talk.challenge()
        is_offered = bool(answer.values(Attribute.PASSWORD_ALGORITHMS))
        features = rfc8489.features_of(answer.value(Attribute.NONCE))
        assert (rfc8489.PASSWORD_ALGORITHMS in features) is is_offered


@pytest.mark.parametrize(("realm", "least"), [("r", 12), ("callveil", 16), ("r" * 20, 24)])
def test_the_offer_fits_where_the_software_has_so_many_characters(realm: str, least: int) -> None:
    """Counted in the request: 28 bytes with REQUESTED-TRANSPORT, and SOFTWARE with its header."""
    for size in range(1, 40):
        talk = Talk(Relay(realm=realm), software=bytes(size))
        answer = talk.challenge()
        is_offered = bool(answer.values(Attribute.PASSWORD_ALGORITHMS))
        assert is_offered is (size + 3 & ~3 >= least)


def test_an_echoed_nonce_lifts_the_limit_of_a_challenge() -> None:
    """With wrong credentials, and with none at all."""
    talk = Talk(software=b"")
    nonce = talk.challenge().value(Attribute.NONCE)
    attributes = [wire.transport(17), (Attribute.NONCE, nonce)]
    request = wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), attributes)
    answer = talk.ask(request)
    assert (answer.code, answer.value(Attribute.PASSWORD_ALGORITHMS)) == (401, OFFER)
    assert len(answer.value(Attribute.NONCE)) == 29


def test_a_cookie_of_another_relay_is_438() -> None:
    client = Relay().client()
    for features in (b"gAAA", b"wAAA", b"AAAA", b"////", b"AAAC"):
        client.nonce = b"obMatJos2" + features + b"0123456789abcdef"
        assert client.allocate().code == 438


@given(st.binary(max_size=40), st.binary(max_size=40), st.booleans())
def test_any_bytes_for_an_algorithm_get_an_answer_or_silence_and_no_allocation(
    algorithm: bytes, algorithms: bytes, is_sha256: bool
) -> None:
    talk = Talk()
    client = talk.client
    client.take_challenge(talk.challenge())
    chosen = struct.pack("!HH", SHA256, 0)
    if (algorithm, algorithms) == (chosen, OFFER):
        return
    attributes = [
        wire.transport(17),
        (Attribute.PASSWORD_ALGORITHM, algorithm),
        (Attribute.PASSWORD_ALGORITHMS, algorithms),
        (Attribute.USERNAME, client.credential.username.encode()),
        (Attribute.REALM, REALM.encode()),
        (Attribute.NONCE, client.nonce),
    ]
    request = wire.build(
        Method.ALLOCATE, Class.REQUEST, bytes(12), attributes, key=client.key, sha256=is_sha256
    )
    effects = talk.relay.receive(request, talk.five_tuple)
    assert Answered(Method.ALLOCATE, 0) not in effects
