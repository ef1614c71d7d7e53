"""Who may call whom: every combination of facts and switches, and what was observed in the wild.

The oracle below is written from the prose of the design and shares nothing with the code but the
names of its values.
"""

from collections.abc import Callable
from itertools import chain, combinations, product

import pytest

from relay.contacts import (
    CalleeSettings,
    Decision,
    MessageRequest,
    PermissionReason,
    PermissionSwitch,
    Relationship,
    decide,
)

EVERY_RELATIONSHIP = [
    Relationship(follows, listed, verified, request, blocked)
    for follows, listed, verified, blocked in product((False, True), repeat=4)
    for request in MessageRequest
]
EVERY_CHOICE = [
    CalleeSettings(calling, frozenset(allow))
    for calling in (False, True)
    for allow in chain.from_iterable(
        combinations(PermissionSwitch, n) for n in range(len(PermissionSwitch) + 1)
    )
]


def _may_call(facts: Relationship, choice: CalleeSettings) -> bool:
    """Calling is on, neither has blocked the other, and at least one switch admits the caller."""
    people_admitted = set()
    if facts.callee_follows_caller:
        people_admitted.add("follow")
    if facts.in_callee_address_book:
        people_admitted.add("address_book")
    if facts.caller_verified:
        people_admitted.add("verified")
    if facts.message_request.value == "accepted":
        people_admitted.add("accepted_message")
    people_admitted.add("everyone")
    is_admitted = not people_admitted.isdisjoint(switch.value for switch in choice.allow)
    return choice.calling and not facts.blocked and is_admitted


def test_every_combination_is_decided_as_the_prose_says() -> None:
    assert len(EVERY_RELATIONSHIP) * len(EVERY_CHOICE) == 48 * 64
    for facts, choice in product(EVERY_RELATIONSHIP, EVERY_CHOICE):
        assert decide(facts, choice).allowed is _may_call(facts, choice), (facts, choice)


def test_the_oracle_says_both() -> None:
    said = [_may_call(*row) for row in product(EVERY_RELATIONSHIP, EVERY_CHOICE)]
    assert 0 < said.count(True) < said.count(False)


def test_every_reason_follows_from_what_it_names() -> None:
    refusals: dict[PermissionReason, Callable[[Relationship, CalleeSettings], bool]] = {
        PermissionReason.CALLING_OFF: lambda facts, choice: not choice.calling,
        PermissionReason.BLOCKED: lambda facts, choice: choice.calling and facts.blocked,
        PermissionReason.NOT_ADMITTED: lambda facts, choice: choice.calling and not facts.blocked,
    }
    seen = set()
    for facts, choice in product(EVERY_RELATIONSHIP, EVERY_CHOICE):
        decision = decide(facts, choice)
        seen.add(decision.reason)
        if decision.allowed:
            switch = PermissionSwitch(decision.reason.value)
            assert switch in choice.allow
            assert _may_call(facts, CalleeSettings(True, frozenset({switch})))
        else:
            assert refusals[decision.reason](facts, choice)
    assert seen == set(PermissionReason)


def test_a_caller_is_told_the_same_for_every_refusal() -> None:
    decisions = [decide(*row) for row in product(EVERY_RELATIONSHIP, EVERY_CHOICE)]
    told = {(decision.allowed, decision.told_to_caller) for decision in decisions}
    assert told == {(True, "allowed"), (False, "unavailable")}


DELIVERED = CalleeSettings()


def test_as_delivered_people_you_follow_and_accepted_messages_are_admitted() -> None:
    assert DELIVERED.calling
    assert DELIVERED.allow == {PermissionSwitch.FOLLOW, PermissionSwitch.ACCEPTED_MESSAGE}


def test_neither_follows_no_call_either_way() -> None:
    for caller_to_callee in (Relationship(), Relationship()):
        assert decide(caller_to_callee, DELIVERED) == Decision(False, PermissionReason.NOT_ADMITTED)


def test_a_message_sent_but_not_accepted_no_call_either_way() -> None:
    sender_calls = Relationship(message_request=MessageRequest.SENT)
    receiver_calls = Relationship()
    assert not decide(sender_calls, DELIVERED).allowed
    assert not decide(receiver_calls, DELIVERED).allowed


def test_the_callee_accepts_the_message_the_caller_may_call_it_and_not_the_reverse() -> None:
    sender_calls = Relationship(message_request=MessageRequest.ACCEPTED)
    receiver_calls = Relationship()
    assert decide(sender_calls, DELIVERED) == (True, PermissionReason.ACCEPTED_MESSAGE)
    assert decide(receiver_calls, DELIVERED) == (False, PermissionReason.NOT_ADMITTED)


def test_a_party_set_to_follow_only_may_call_out_and_is_not_called_back_by_strangers() -> None:
    follow_only = CalleeSettings(allow=frozenset({PermissionSwitch.FOLLOW}))
    calls_out = Relationship(message_request=MessageRequest.ACCEPTED)
    is_called_back = Relationship(message_request=MessageRequest.ACCEPTED)
    assert decide(calls_out, DELIVERED).allowed
    assert not decide(is_called_back, follow_only).allowed


def test_mutual_follow_both_ways() -> None:
    for _ in ("one way", "the other"):
        assert decide(Relationship(callee_follows_caller=True), DELIVERED) == (
            True,
            PermissionReason.FOLLOW,
        )


@pytest.mark.parametrize("switch", PermissionSwitch)
def test_nothing_admits_whom_either_has_blocked(switch: PermissionSwitch) -> None:
    facts = Relationship(True, True, True, MessageRequest.ACCEPTED, blocked=True)
    assert decide(facts, CalleeSettings(allow=frozenset({switch}))) == (
        False,
        PermissionReason.BLOCKED,
    )
