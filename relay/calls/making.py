"""How calls come to be: as the API orders them, or as a credential names them.

Rules of this file: nothing is kept here; what is made is active, and the registry has it ring.
"""

from collections.abc import Callable

from relay.calls.call import Call, Leg, Order, Rules, State
from relay.calls.ended import REGISTERED_PREFIX
from relay.clock import Now
from relay.errors import CallError


def ordered(order: Order, rules: Rules, number: int, token: Callable[[], str], now: Now) -> Call:
    """Make a call that the API asks for.

    Args:
        token: gives an opaque random token of 22 characters each time.
    Raises: CallError `invalid_request`, naming the field. Nothing else.
    """
    _check_parties(order, rules)
    duration_s = _at_most(order.max_duration_s, rules.call_duration_s, "max_duration_s")
    bitrate = _at_most(order.max_bitrate_bps, rules.bitrate_bps, "max_bitrate_bps")
    asked = any(party.enhanced_call_privacy for party in order.parties)
    relayed = order.ports or rules.is_relayed(asked=asked)
    call = Call(REGISTERED_PREFIX + token(), number, is_registered=True, relayed=relayed)
    _begin(call, duration_s, bitrate, now)
    call.ports = order.ports
    for party, asked in order.parties:
        masked = relayed and rules.is_masked(asked=asked)
        call.legs.append(Leg(token(), party, masked, asked))
    call.half_relayed = call.may_be_half_relayed
    return call


def named(name: str, rules: Rules, number: int, now: Now) -> Call:
    """Make a call that a credential begins."""
    call = Call(name, number, is_registered=False, relayed=True)
    _begin(call, rules.call_duration_s, rules.bitrate_bps, now)
    return call


def never(name: str, now: Now) -> Call:
    """A call that has ended before any credential began it."""
    call = Call(name, 0, is_registered=False, relayed=True)
    call.state, call.expires_at = State.ENDED, now.wall
    return call


def _begin(call: Call, duration_s: int, bitrate_bps: int, now: Now) -> None:
    call.created, call.created_at = now.mono, now.wall
    call.expires = call.deadline = now.mono + duration_s
    call.expires_at = now.wall + duration_s
    call.bitrate_bps = bitrate_bps


def _check_parties(order: Order, rules: Rules) -> None:
    most = rules.legs_per_call
    if not 2 <= len(order.parties) <= most:
        raise CallError("invalid_request", f"parties: 2 to {most} are expected.")
    if len({party.id for party in order.parties}) < len(order.parties):
        raise CallError("invalid_request", "parties: two of them have the same id.")
    if order.ports and len(order.parties) != 2:  # what one says would have no one way to go
        raise CallError("invalid_request", "parties: 2 are expected in ports mode.")


def _at_most(asked: int | None, limit: int, field: str) -> int:
    """What was asked for, within the operator's limit, which holds where nothing was."""
    if asked is None:
        return limit
    if not 0 < asked <= limit:
        raise CallError("invalid_request", f"{field}: 1 to {limit} is expected.")
    return asked
