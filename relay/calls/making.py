"""How calls come to be: as the API orders them, or as a credential names them; and users.

Rules of this file: nothing is kept here; what is made is active, and the book has it ring.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from relay.calls.call import Call, CallState, Leg
from relay.calls.ended import is_identified
from relay.calls.reach import Listed
from relay.calls.rules import Rules
from relay.clock import Now
from relay.errors import CallError


class Party(NamedTuple):
    """One side of a call that is to be created.

    Args:
        id: 1..=128 characters.
        listed: where it is, if it is a media server: one address.
    """

    id: str
    enhanced_call_privacy: bool = False
    listed: Listed | None = None


class Order(NamedTuple):
    """A call that is to be created.

    Args:
        parties: two or more, with different ids.
        ring: nothing crosses until the call is accepted; what is not said is the safer one.
        max_duration_s, max_bitrate_bps: at most the operator's limits; None means those.
        ports: each of the two parties gets a relayed port instead of a TURN credential.
    """

    parties: tuple[Party, ...]
    ring: bool = True
    max_duration_s: int | None = None
    max_bitrate_bps: int | None = None
    ports: bool = False


class Origin(NamedTuple):
    """What a new call has of the book that makes it.

    Args:
        rules: what the operator decided.
        closed: every call is closed, whatever else it is.
        number: of the call.
    """

    rules: Rules
    closed: bool
    number: int


def ordered(name: str, order: Order, origin: Origin, token: Callable[[], str], now: Now) -> Call:
    """Make a call that the API asks for.

    Args:
        name: its id, `cv_` and a token.
        token: gives an opaque random token of 22 characters each time, for its legs.
    Raises: CallError `invalid_request`, naming the field. Nothing else.
    """
    rules = origin.rules
    _check_parties(order, rules)
    duration_s = _at_most(order.max_duration_s, rules.call_duration_s, "max_duration_s")
    bitrate = _at_most(order.max_bitrate_bps, rules.bitrate_bps, "max_bitrate_bps")
    asked = any(party.enhanced_call_privacy for party in order.parties)
    relayed = order.ports or rules.is_relayed(asked=asked)
    has_media_server = any(party.listed is not None for party in order.parties)
    closed = origin.closed or relayed or has_media_server
    call = Call(name, origin.number, is_registered=True, relayed=relayed, closed=closed)
    _begin(call, duration_s, bitrate, now)
    call.ports = order.ports
    for party, asked, listed in order.parties:
        masked = relayed and listed is None and rules.is_masked(asked=asked)
        call.legs.append(Leg(call, token(), party, masked=masked, asked=asked, listed=listed))
    call.half_relayed = call.may_be_half_relayed
    return call


def named(name: str, origin: Origin, now: Now) -> Call:
    """Make a call that a credential begins."""
    rules, closed = origin.rules, origin.closed or is_identified(name)
    call = Call(name, origin.number, is_registered=False, relayed=True, closed=closed)
    _begin(call, rules.call_duration_s, rules.bitrate_bps, now)
    return call


def user(name: str, rules: Rules, now: Now) -> Call:
    """Make a user. It has no end of its own."""
    made = Call(name, 0, is_registered=False, relayed=True, closed=False, is_user=True)
    made.created, made.created_at = now.mono, now.wall
    made.expires = made.expires_at = math.inf
    made.bitrate_bps = rules.bitrate_bps
    return made


def never(name: str, now: Now) -> Call:
    """A call that has ended before any credential began it."""
    call = Call(name, 0, is_registered=False, relayed=True, closed=True)
    call.state, call.expires_at = CallState.ENDED, now.wall
    return call


def _begin(call: Call, duration_s: int, bitrate_bps: int, now: Now) -> None:
    call.created, call.created_at = now.mono, now.wall
    call.expires = now.mono + duration_s
    call.expires_at = now.wall + duration_s
    call.bitrate_bps = bitrate_bps


def _check_parties(order: Order, rules: Rules) -> None:
    most = rules.legs_per_call
    if not 2 <= len(order.parties) <= most:
        raise CallError("invalid_request", f"parties: give 2 to {most} parties.")
    if len({party.id for party in order.parties}) < len(order.parties):
        raise CallError("invalid_request", "parties: two parties have the same id.")
    if order.ports and len(order.parties) != 2:  # what one says would have no one way to go
        raise CallError("invalid_request", "parties: a call in ports mode has exactly 2 parties.")
    _check_media_servers(order)


def _check_media_servers(order: Order) -> None:
    media_servers = [party for party in order.parties if party.listed is not None]
    if not media_servers:
        return
    if order.ports:
        raise CallError("invalid_request", "parties: a call in ports mode has no media server.")
    if order.parties[0].listed is not None:
        raise CallError("invalid_request", "parties: the first is the caller, no media server.")
    if any(party.enhanced_call_privacy for party in media_servers):
        raise CallError(
            "invalid_request", "parties: the address of a media server is known to the others."
        )


def _at_most(asked: int | None, limit: int, field: str) -> int:
    """What was asked for, within the operator's limit, which holds where nothing was."""
    if asked is None:
        return limit
    if not 0 < asked <= limit:
        raise CallError("invalid_request", f"{field}: give a number from 1 to {limit}.")
    return asked
