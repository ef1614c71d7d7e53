"""Whose address is whose, as captures tell: nothing is guessed."""

from ipaddress import ip_address

import pytest

from relay.stun.message import Class, Method
from relay.tools.audit.own import Survey, is_behind_nat
from relay.tools.audit.packets import parse
from tests.audit.captures import (
    ALICE,
    ALICE_PUBLIC,
    BOB_PUBLIC,
    RELAYED,
    SERVER,
    stun,
    turn_client,
    udp,
)


def _own(*frames: bytes, is_outgoing: bool | None = None) -> set[str]:
    survey = Survey()
    for frame in frames:
        survey.take(parse(frame, is_outgoing=is_outgoing))
    return {str(ip) for ip in survey.own(survey.relays)}


def test_a_turn_client_is_the_party_and_what_the_relay_says_is_not() -> None:
    assert _own(*turn_client(ALICE)) == {ALICE}


def test_what_a_server_tells_its_client_is_the_partys() -> None:
    told = stun(Method.BINDING, Class.SUCCESS, xor_mapped_address=ALICE_PUBLIC)
    assert _own(*turn_client(ALICE, udp(SERVER, ALICE, told))) == {ALICE, ALICE_PUBLIC}


def test_what_others_are_told_is_not() -> None:
    told = stun(Method.BINDING, Class.SUCCESS, xor_mapped_address=BOB_PUBLIC)
    assert _own(*turn_client(ALICE, udp(ALICE, BOB_PUBLIC, told))) == {ALICE}


def test_the_only_one_that_takes_part_in_everything_is_the_party() -> None:
    assert _own(udp(ALICE, SERVER, b"x"), udp(BOB_PUBLIC, ALICE, b"y")) == {ALICE}


def test_of_two_that_talk_to_each_other_neither_is_guessed() -> None:
    assert _own(udp(ALICE, BOB_PUBLIC, b"x"), udp(BOB_PUBLIC, ALICE, b"y")) == set()


def test_a_capture_that_says_who_sent_settles_it() -> None:
    assert _own(udp(ALICE, BOB_PUBLIC, b"x"), is_outgoing=True) == {ALICE}


@pytest.mark.parametrize("ends", [("127.0.0.1", "127.0.0.1"), (ALICE, "224.0.0.251")])
def test_loopback_and_multicast_tell_nothing(ends: tuple[str, str]) -> None:
    assert _own(udp(*ends, b"x")) == set()


def test_a_relayed_address_is_nobodys() -> None:
    assert _own(*turn_client(RELAYED)) == set()


def test_private_and_shared_addresses_are_behind_nat() -> None:
    behind = ("10.1.2.3", "172.31.255.1", "192.168.0.1", "100.64.1.1", "fd00::1")
    assert all(is_behind_nat(ip_address(each)) for each in behind)
    assert not any(is_behind_nat(ip_address(each)) for each in ("172.32.0.1", "2001:db8::1"))
