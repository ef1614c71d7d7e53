"""`/v1/calls/{call}/description` and `…/candidate`: what parties write, made safe to pass on."""

from fastapi import APIRouter, Response

from relay.api.dependencies import BEARER, Daemon, faults, json
from relay.api.paths import CallId
from relay.api.schemas.signaling import (
    Candidate,
    CandidateCreate,
    Description,
    DescriptionCreate,
)

router = APIRouter(prefix="/v1/calls/{call:name}", tags=["signaling"], dependencies=[BEARER])

_FAULTS = ("unknown_call", "unknown_party", "wrong_state", "too_large", "too_many")


@router.post(
    "/description",
    response_model=Description,
    responses=faults(*_FAULTS, "invalid_request", "bad_description", "plain_media"),
)
async def rebuild_description(call: CallId, body: DescriptionCreate, relay: Daemon) -> Response:
    """Rebuild a party's session description, so that it names no address but the relay's.

    Pass the answer on to the other parties. If the call is not relayed, the description comes back
    unchanged.
    """
    rebuilt = relay.describe(call, body.from_, body.sdp)
    held = len(rebuilt.held)
    return json(Description(sdp=rebuilt.sdp, held=held, removed=rebuilt.removed))


@router.post(
    "/candidate",
    response_model=Candidate,
    responses=faults(*_FAULTS, "invalid_request"),
)
async def rebuild_candidate(call: CallId, body: CandidateCreate, relay: Daemon) -> Response:
    """Rebuild a party's trickled candidate, so that it names no address but the relay's.

    While the call rings, the relay keeps the candidate, and the answer to `accept` has it. If the
    call is not relayed, the candidate comes back unchanged.
    """
    sent = body.sent()
    trickled = relay.trickle(call, body.from_, sent)
    return json(Candidate(**{**sent._asdict(), **trickled._asdict()}))
