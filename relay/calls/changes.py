"""What may change about a call while it rings or runs: it only tightens, lengthens and grows.

Rules of this file: everything is checked before anything is changed. What privacy a call has it
keeps, whatever the operator's rules have become since.
"""

from collections.abc import Callable
from typing import NamedTuple

from relay.calls.call import Call, Leg, Rules
from relay.errors import CallError


class PartyChange(NamedTuple):
    """A party that is in the call already, or that is to be added; None: as it is, was, or off."""

    id: str
    enhanced_call_privacy: bool | None = None


class Change(NamedTuple):
    """What is asked for.

    Args:
        parties: with different ids.
        max_duration_s: of the whole call, counted from its creation; None leaves it.
    """

    parties: tuple[PartyChange, ...] = ()
    max_duration_s: int | None = None


class Changed(NamedTuple):
    """What has come of it.

    Args:
        tightened: the call became relayed, or a leg masked, or half-relayed no more.
        extended: it may last longer.
        added: the new legs.
    """

    call: Call
    tightened: bool
    extended: bool
    added: tuple[Leg, ...]


def apply(call: Call, change: Change, rules: Rules, token: Callable[[], str]) -> Changed:
    """Change a live call.

    Args:
        token: gives an opaque random token of 22 characters each time.
    Raises: CallError `wrong_state`, `only_tightens` or `invalid_request`, and then nothing has
        changed. Nothing else.
    """
    if not call.is_registered:
        detail = "A call that began with a credential alone cannot be changed."
        raise CallError("wrong_state", detail, call.id)
    newcomers = _checked_parties(call, change, rules)
    lasts_s = _checked_duration(call, change, rules)
    before = call.relayed, call.half_relayed, call.masked
    for party in change.parties:
        leg = call.party(party.id)
        if leg is not None:
            leg.asked |= bool(party.enhanced_call_privacy)
    added = tuple(
        Leg(token(), party.id, masked=False, asked=_asks(call, party)) for party in newcomers
    )
    call.legs += added
    _tighten(call, rules)
    is_extended = call.created + lasts_s > call.expires
    if is_extended:
        call.expires, call.expires_at = call.created + lasts_s, call.created_at + lasts_s
    names = {leg.name for leg in added}
    masked = [name for name in call.masked if name not in names]
    after = call.relayed, call.half_relayed, masked
    return Changed(call, after != before, is_extended, added)


def _tighten(call: Call, rules: Rules) -> None:
    """What follows from who wants privacy now; what was relayed or masked stays so, and what was
    relayed for everybody does not become half-relayed.
    """
    may_be_half = call.half_relayed or not call.relayed
    direct = [leg for leg in call.legs if call.is_direct(leg)]
    call.relayed |= rules.is_relayed(asked=any(leg.asked for leg in call.legs))
    for leg in call.legs:
        leg.masked |= call.relayed and rules.is_masked(asked=leg.asked)
    call.half_relayed = may_be_half and call.may_be_half_relayed
    for leg in direct:
        if leg.intake is not None and not call.is_direct(leg):
            leg.intake.release()  # its candidates name its own addresses


def _checked_parties(call: Call, change: Change, rules: Rules) -> list[PartyChange]:
    """Those who are not in the call yet."""
    if len({party.id for party in change.parties}) < len(change.parties):
        raise CallError("invalid_request", "parties: two of them have the same id.")
    newcomers = []
    for party in change.parties:
        if call.party(party.id) is None:
            newcomers.append(party)
        if party.enhanced_call_privacy is False and _asks(call, party):
            raise CallError("only_tightens", "Privacy that is on stays on in this call.", call.id)
    if newcomers and call.ports:
        raise CallError("invalid_request", "parties: 2 are expected in ports mode.", call.id)
    if newcomers and len(call.legs) + len(newcomers) > rules.legs_per_call:
        most = rules.legs_per_call
        raise CallError("invalid_request", f"parties: at most {most} in a call are expected.")
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
        detail = f"max_duration_s: {lasts_s} to {max(lasts_s, limit)} is expected."
        raise CallError("invalid_request", detail)
    return asked
