"""DONT-FRAGMENT: RFC 8656 sections 7.2, 11.2 and 14.

Between two clients data does not leave the relay on its way from one relayed address to the other,
so that nothing there can be too large. To a peer outside it leaves as a datagram of its own.
"""

from relay.effects import Count, Deliver
from relay.errors import DropReason
from tests.kit.wire import Attribute
from tests.turn.client import Relay
from tests.turn.test_outer_ports import half_relayed, outside, own

_FLAG = (int(Attribute.DONT_FRAGMENT), b"")


def test_allocate_may_ask_for_it() -> None:
    Relay().client().allocate(_FLAG).accepted()


def test_a_send_that_is_not_to_be_fragmented_leaves_whole_or_not_at_all() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    there = outside(bob, alice.relayed)
    assert alice.send(own(bob), b"data") == [Deliver(alice.leg, there, b"data", 4)]
    whole = Deliver(alice.leg, there, b"data", 4, is_whole=True)
    assert alice.send(own(bob), b"data", _FLAG)[0] == whole


def test_to_a_sibling_it_changes_nothing() -> None:
    relay = half_relayed()
    alice, bob = relay.bound_pair()
    plain, flagged = (alice.send(bob.relayed, b"data", *more) for more in ([], [_FLAG]))
    assert flagged[0] == plain[0]
    assert isinstance(plain[0], Deliver)
    assert not plain[0].is_whole


def test_a_system_that_cannot_set_df_does_not_understand_it() -> None:
    relay = Relay(sets_df=False)
    exchange = relay.client().allocate(_FLAG)
    assert exchange.code == 420
    assert exchange.answer.value(Attribute.UNKNOWN_ATTRIBUTES) == b"\x00\x1a"
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    assert alice.send(bob.relayed, b"x", _FLAG) == [Count(DropReason.BAD_ATTRIBUTE)]
    assert isinstance(alice.send(bob.relayed, b"x")[0], Deliver)


def test_a_flag_with_a_value_is_none() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    flag = (Attribute.DONT_FRAGMENT, b"\0\0\0\0")
    assert alice.send(own(bob), b"x", flag) == [Count(DropReason.BAD_ATTRIBUTE)]
