"""Parties that leave a call while it rings or runs: the devices that did not answer, and others.

Rules of this file: everything is checked before anything is changed, and nothing of the privacy of
those who stay is loosened by it. While a call rings, the first of its parties is who calls.
"""

from typing import NamedTuple

from relay.calls.call import Call, CallState, Former, Leg, unknown_party
from relay.errors import CallError

_FORMER = 64
"""Parties that have left one call: ending one again is no fault, and who joins again has the
privacy that was on."""


class AnsweredBy(NamedTuple):
    """Who has taken a call: a party, by its id or by its leg's."""

    party: str | None = None
    leg: str | None = None


def others(call: Call, answered: AnsweredBy) -> list[Leg]:
    """Those who were called as well as the one who answered, and did not answer.

    Raises: CallError `unknown_party`, or `invalid_request` where the caller is named. Nothing else.
    """
    leg = call.leg(answered.leg) if answered.leg is not None else call.party(answered.party or "")
    if leg is None:
        raise unknown_party(call)
    called = [each for each in call.legs[1:] if each.listed is None]
    if leg not in called:
        detail = "The caller cannot accept the call. Name a party that was called."
        raise CallError("invalid_request", detail, call.id)
    return [each for each in called if each is not leg]


def is_last(call: Call, leg: Leg) -> bool:
    """Whether the call is over without this party: nobody is left to talk to, or nobody calls.

    Who else is in a call that credentials have begun is not known.
    """
    if not call.is_registered:
        return False
    is_caller = call.state is CallState.RINGING and leg is call.legs[0]
    talking = [each for each in call.legs if each is not leg and each.listed is None]
    return is_caller or not talking or len(call.legs) <= 2


def leave(call: Call, leg: Leg) -> None:
    """Take a party out of a call."""
    call.legs.remove(leg)
    call.former = (*call.former, Former(leg.name, leg.asked))[-_FORMER:]
    call.half_relayed = call.half_relayed and call.may_be_half_relayed
