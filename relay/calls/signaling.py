"""What parties tell each other through the signaling server, as it may be passed on.

Rules of this file: a call that nobody wants private is passed through as it is. In a relayed call
everything is rebuilt, and before it is accepted no candidate is passed on.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from relay.calls.call import Call, CallState, Leg
from relay.calls.intake import Intake
from relay.errors import CallError
from relay.sdp import (
    HeldCandidate,
    LegDescription,
    Rebuilt,
    Removed,
    complete,
    rebuild,
    rebuild_candidate,
)

RelayedAddresses = Mapping[str, Sequence[tuple[str, int]]]
"""Of each leg that has an allocation: numeric host and port of each."""


class Trickled(NamedTuple):
    """One candidate on its way.

    Args:
        candidate: to be passed on; None where it is held or dropped.
        held: it is passed on once the call is accepted.
        removed: what is not in it any more.
    """

    candidate: str | None
    held: bool
    removed: tuple[Removed, ...]


class Released(NamedTuple):
    """What a party sent while its call rang, as it may be passed on now.

    Args:
        candidates: each on its own, as they came.
        description: its latest, with all of them inside; empty where it sent none.
    """

    candidates: tuple[HeldCandidate, ...]
    description: str


def describe(call: Call, party: str, sdp: str, relayed: RelayedAddresses, mono: float) -> Rebuilt:
    """Rebuild a party's description for the others; its candidates are held while the call rings.

    Args:
        call: it rings or is active.
        relayed: of the call's legs, as far as they are known.
    Raises: CallError `unknown_party`, `wrong_state`, `too_many`, `bad_description` or
        `plain_media`. Nothing else.
    """
    leg = _leg_of(call, party)
    intake = _intake(leg, mono)
    intake.spend(len(sdp), mono)
    if not call.relayed:
        return Rebuilt(sdp, ())
    description = _description(call, leg, relayed)
    rebuilt = rebuild(sdp, description)
    intake.hold(*rebuilt.held)
    if description.ringing:
        intake.described = rebuilt
    return rebuilt


def trickle(
    call: Call, party: str, sent: HeldCandidate, relayed: RelayedAddresses, mono: float
) -> Trickled:
    """Rebuild a party's candidate for the others, or hold it while the call rings.

    Args:
        call: it rings or is active.
        sent: as the party sent it.
        relayed: of the call's legs, as far as they are known.
    Raises: CallError `unknown_party`, `wrong_state` or `too_many`. Nothing else.
    """
    leg = _leg_of(call, party)
    intake = _intake(leg, mono)
    intake.spend(len(sent.candidate), mono)
    if not call.relayed:
        return Trickled(sent.candidate, False, ())
    description = _description(call, leg, relayed)
    candidate, removed = rebuild_candidate(sent.candidate, description)
    if candidate is None or not description.ringing:
        return Trickled(candidate, False, removed)
    intake.hold(sent._replace(candidate=candidate))
    return Trickled(None, True, removed)


def release(call: Call) -> dict[str, Released]:
    """What was held of each party, once the call is accepted; then nothing is held any more."""
    released = {}
    for leg in call.legs:
        intake = leg.intake
        if intake is not None and (intake.held or intake.described):
            held = tuple(intake.held)
            whole = complete(intake.described, held) if intake.described else ""
            released[leg.name] = Released(held, whole)
            intake.release()
    return released


def _leg_of(call: Call, party: str) -> Leg:
    leg = call.leg_of(party)
    if call.ports:  # the port and the relay's credentials of the other leg have to be put in
        raise CallError(
            "wrong_state",
            "The relay does not rebuild descriptions in ports mode. Write them yourself.",
            call.id,
        )
    if leg.listed is not None:
        raise CallError(
            "wrong_state",
            "A media server's description names its own address. Pass it on as it is.",
            call.id,
        )
    return leg


def _intake(leg: Leg, mono: float) -> Intake:
    if leg.intake is None:
        leg.intake = Intake(mono)
    return leg.intake


def _description(call: Call, leg: Leg, relayed: RelayedAddresses) -> LegDescription:
    ringing = call.state is CallState.RINGING
    return LegDescription(relayed.get(leg.id, ()), masked=not call.is_direct(leg), ringing=ringing)
