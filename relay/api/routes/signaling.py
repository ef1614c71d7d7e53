"""`/v1/calls/{id}/description` and `…/candidate`: what parties say, made safe to pass on."""

from typing import Any

from fastapi import APIRouter, Response

from relay.api.dependencies import BEARER, Daemon, faults, json
from relay.api.paths import CallId
from relay.api.schemas.signaling import (
    AskedCandidate,
    AskedDescription,
    Description,
    RemovedView,
    TrickledCandidate,
)
from relay.calls.signaling import describe, trickle

router = APIRouter(prefix="/v1/calls/{call:name}", tags=["signaling"], dependencies=[BEARER])

_FAULTS = ("unknown_call", "unknown_party", "wrong_state", "too_large", "too_many")


@router.post(
    "/description",
    response_model=Description,
    responses=faults(*_FAULTS, "bad_description", "plain_media"),
)
async def rebuild_description(call: CallId, asked: AskedDescription, relay: Daemon) -> Response:
    """Rebuild a party's description, so that it names no address but the relay's.

    In a call that is not relayed it comes back as it is.
    """
    now = relay.now()
    found = relay.registry.live(call, now)
    rebuilt = describe(found, asked.from_, asked.sdp, relay.relayed(call), now.mono)
    removed = RemovedView.all_of(rebuilt.removed)
    return json(Description(sdp=rebuilt.sdp, held=len(rebuilt.held), removed=removed))


@router.post(
    "/candidate",
    response_model=TrickledCandidate,
    responses=faults(*_FAULTS, "invalid_request"),
)
async def rebuild_candidate(call: CallId, asked: AskedCandidate, relay: Daemon) -> Response:
    """Rebuild a party's trickled candidate; in a call that rings, hold it."""
    now = relay.now()
    found = relay.registry.live(call, now)
    sent = asked.sent()
    trickled = trickle(found, asked.from_, sent, relay.relayed(call), now.mono)
    fields: dict[str, Any] = {**sent._asdict(), **trickled._asdict()}
    fields["removed"] = RemovedView.all_of(trickled.removed)
    return json(TrickledCandidate(**fields))
