"""What may change about a call while it rings or runs: it only tightens, lengthens and grows.

Rules of this file: everything is checked before anything is changed. What privacy a call has it
keeps, whatever the operator's rules have become since.
"""

from collections.abc import Callable
from typing import NamedTuple

from relay.calls.call import Call, Leg
from relay.calls.rules import Rules
from relay.errors import CallError


class PartyChange(NamedTuple):
    """A party that is in the call already, or that is to be added; None: as it is, was, or off."""

    id: str
    enhanced_call_privacy: bool | None = None


class Change(NamedTuple):
    """A change that the signaling server asks for.

    Args:
        parties: with different ids.
        max_duration_s: of the whole call, counted from its creation; None leaves it.
    """

    parties: tuple[PartyChange, ...] = ()
    max_duration_s: int | None = None


def apply(call: Call, change: Change, rules: Rules, token: Callable[[], str]) -> bool:
    """Change a live call.

    Args:
        token: gives an opaque random token of 22 characters each time.
    Returns: whether anything of it has changed: it became relayed, or a leg masked, or it is
        half-relayed no more; it may last longer; it has new legs.
    Raises: CallError `wrong_state`, `only_tightens` or `invalid_request`, and then nothing has
        changed. Nothing else.
    """
    if not call.is_registered:
        detail = "A call that began with a credential alone cannot be changed."
        raise CallError("wrong_state", detail, call.id)
    newcomers = _checked_parties(call, change, rules)
    lasts_s = _checked_duration(call, change, rules)
    before = call.relayed, call.half_relayed, call.masked, call.expires, len(call.legs)
    for party in change.parties:
        leg = call.party(party.id)
        if leg is not None:
            leg.asked |= bool(party.enhanced_call_privacy)
    for party in newcomers:
        asked = _asks(call, party)
        call.legs.append(Leg(call, token(), party.id, masked=False, asked=asked))
    _tighten(call, rules)
    if call.created + lasts_s > call.expires:
        call.expires, call.expires_at = call.created + lasts_s, call.created_at + lasts_s
    after = call.relayed, call.half_relayed, call.masked, call.expires, len(call.legs)
    return after != before


def _tighten(call: Call, rules: Rules) -> None:
    """What follows from who wants privacy now; what was relayed or masked stays so, and what was
    relayed for everybody does not become half-relayed.
    """
    may_be_half = call.half_relayed or not call.relayed
    direct = [leg for leg in call.legs if call.is_direct(leg)]
    call.relayed |= rules.is_relayed(asked=any(leg.asked for leg in call.legs))
    for leg in call.legs:
        if leg.listed is None:
            leg.masked |= call.relayed and rules.is_masked(asked=leg.asked)
    call.closed |= call.relayed
    call.half_relayed = may_be_half and call.may_be_half_relayed
    for leg in direct:
        if leg.intake is not None and not call.is_direct(leg):
            leg.intake.release()  # its candidates name its own addresses


def _checked_parties(call: Call, change: Change, rules: Rules) -> list[PartyChange]:
    """Those who are not in the call yet."""
    if len({party.id for party in change.parties}) < len(change.parties):
        raise CallError("invalid_request", "parties: two parties have the same id.")
    newcomers = []
    for party in change.parties:
        if call.party(party.id) is None:
            newcomers.append(party)
        elif party.enhanced_call_privacy and call.leg_of(party.id).listed is not None:
            detail = "parties: the address of a media server is known to the others."
            raise CallError("invalid_request", detail, call.id)
        if party.enhanced_call_privacy is False and _asks(call, party):
            raise CallError(
                "only_tightens",
                "A party of this request has privacy on, and it stays on during the call.",
                call.id,
            )
    if newcomers and call.ports:
        raise CallError(
            "invalid_request", "parties: a call in ports mode has exactly 2 parties.", call.id
        )
    if newcomers and len(call.legs) + len(newcomers) > rules.legs_per_call:
        most = rules.legs_per_call
        raise CallError("invalid_request", f"parties: a call may have {most} parties at most.")
    return newcomers


def _asks(call: Call, party: PartyChange) -> bool:
    """Whether this party wants privacy: now, or in this call before, which it may have left."""
    known = call.party(party.id) or call.former_party(party.id)
    return bool(party.enhanced_call_privacy) or (known is not None and known.asked)


def _checked_duration(call: Call, change: Change, rules: Rules) -> int:
    """How long the call may last in all."""
    lasts_s = round(call.expires - call.created)
    asked, limit = change.max_duration_s, rules.call_duration_s
    if asked is None or asked == lasts_s:
        return lasts_s
    if not lasts_s < asked <= limit:
        detail = f"max_duration_s: give more than {lasts_s} and at most {limit}."
        if lasts_s >= limit:
            detail = "max_duration_s: the call already lasts as long as the operator allows."
        raise CallError("invalid_request", detail)
    return asked
