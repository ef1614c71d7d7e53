"""`/v1/calls`: create, list, show, accept, change and end calls.

Rules of this file: each request is one verb of the relay; what follows from it is done by then.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from relay.api import answers
from relay.api.dependencies import BEARER, Daemon, Settings, faults, json, json_without_none
from relay.api.paths import CallId, PartyId
from relay.api.schemas.calls import (
    Call,
    CallAccept,
    CallCreate,
    CallCreated,
    CallList,
    CallUpdate,
)
from relay.api.schemas.endpoints import EndpointPublic, EndpointUpdate, EndpointUpdated
from relay.api.schemas.signaling import CallAccepted

router = APIRouter(prefix="/v1/calls", tags=["calls"], dependencies=[BEARER])

_PAGE = 200
"""Calls in one answer: writing them takes 5 ms, in which user space forwards no packet."""


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    response_model=CallCreated,
    responses=faults("invalid_request", "draining", "out_of_ports"),
)
async def create_call(body: CallCreate, relay: Daemon, settings: Settings) -> Response:
    """Create a call, and for each party a TURN credential or, in `ports` mode, a relayed port."""
    call = relay.create(body.order(), body.access())
    if call.ports:
        return json_without_none(answers.with_endpoints(call, relay), status=201)
    return json(answers.with_credentials(call, relay, settings), status=201)


@router.get("", response_model=CallList, responses=faults("invalid_request"))
async def list_calls(
    relay: Daemon,
    after: Annotated[int, Query(ge=0, description="`next` of the previous answer.")] = 0,
    limit: Annotated[int, Query(ge=1, le=_PAGE, description="List this many at most.")] = _PAGE,
) -> Response:
    """List the calls that ring or are active, with statistics."""
    calls = relay.page(after, limit)
    following = calls[-1].number if len(calls) == limit else None
    shown = [answers.show(call, relay) for call in calls]
    return json(CallList.model_construct(calls=shown, next=following))


@router.get(
    "/{call:name}",
    response_model=Call,
    responses=faults("unknown_call", "invalid_request"),
)
async def get_call(call: CallId, relay: Daemon) -> Response:
    """Get one call with statistics.

    The relay remembers an ended call for a while, without its parties.
    """
    return json(answers.show(relay.call(call), relay))


@router.post(
    "/{call:name}/accept",
    response_model=CallAccepted,
    responses=faults("unknown_call", "unknown_party", "wrong_state", "invalid_request"),
)
async def accept_call(call: CallId, relay: Daemon, body: CallAccept | None = None) -> Response:
    """Accept a ringing call: from now on media may cross.

    If the call rings on several devices, say which party answered. The other parties that were
    called leave the call, and their credentials stop working. The first party is the caller, and
    stays.

    `candidates` in the answer is what each party sent while the call rang: pass it on to the other
    parties now. For clients without trickle ICE, `descriptions` has each party's latest description
    with its candidates inside.
    """
    accepted, released = relay.accept(call, body.answered() if body else None)
    return json(CallAccepted.of(answers.show(accepted, relay), released))


@router.patch(
    "/{call:name}",
    response_model=CallCreated,
    responses=faults("unknown_call", "wrong_state", "only_tightens", "invalid_request"),
)
async def change_call(
    call: CallId, body: CallUpdate, relay: Daemon, settings: Settings
) -> Response:
    """Change a call: switch a party's privacy on, extend the call, add parties.

    The relay makes all the changes or none. Every party gets a fresh credential. If `relayed` or
    `masked` has changed, give each party its new `rtc_configuration` (`setConfiguration`) and
    restart ICE: direct connections between parties must end. Privacy cannot be switched off during
    a call: the relay refuses that with 409.
    """
    return json(answers.with_credentials(relay.change(call, body.change()), relay, settings))


@router.delete(
    "/{call:name}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=faults("unknown_call", "invalid_request"),
)
async def end_call(call: CallId, relay: Daemon) -> Response:
    """End a call and all its legs at once.

    Ending a call again changes nothing. You can also end a call that no credential has begun yet:
    then no credential can begin it.
    """
    relay.end(call)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.delete(
    "/{call:name}/parties/{party:name}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=faults("unknown_call", "unknown_party", "invalid_request"),
)
async def end_party(call: CallId, party: PartyId, relay: Daemon) -> Response:
    """End one party's leg at once and for good. The other parties stay.

    Ending it again changes nothing. The call ends too if fewer than two parties are left, or if it
    rings and the party is the caller.
    """
    relay.end_party(call, party)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post(
    "/{call:name}/endpoint",
    response_model=EndpointUpdated,
    responses=faults("unknown_call", "unknown_party", "wrong_state", "invalid_request"),
)
async def set_endpoint(call: CallId, body: EndpointUpdate, relay: Daemon) -> Response:
    """Tell the relay where a party of a call in `ports` mode is.

    Send the party's ICE credentials or its address. New ICE credentials restart ICE.
    """
    endpoint = EndpointPublic.of(relay.set_access(call, body.party, body.access()))
    return json_without_none(EndpointUpdated(endpoint=endpoint))
