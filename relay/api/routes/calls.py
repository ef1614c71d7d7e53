"""`/v1/calls`: create, list, show, accept, change and end calls.

Rules of this file: first the book of calls decides, then the daemon acts, then the client hears.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response, status

from relay.api.dependencies import BEARER, Daemon, Settings, faults, json, json_without_none
from relay.api.paths import CallId, PartyId
from relay.api.relay import ControlSettings, Party, Relay
from relay.api.schemas.calls import (
    Call,
    CallAccept,
    CallCreate,
    CallCreated,
    CallList,
    CallUpdate,
    IceServer,
    PartyCreated,
    RtcConfiguration,
    head,
)
from relay.api.schemas.endpoints import (
    EndpointPublic,
    EndpointUpdate,
    EndpointUpdated,
    PortPartyCreated,
)
from relay.api.schemas.signaling import CallAccepted
from relay.calls import call as core
from relay.calls import credentials
from relay.calls.signaling import release
from relay.errors import CallError
from relay.ice.access import Access

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
    if relay.is_draining:
        raise CallError("draining", "Create the call on another relay, or later.")
    call = relay.registry.create(body.order(), relay.token, relay.now())
    if call.ports:
        return _with_ports(call, body.access(), relay)
    return json(_with_credentials(call, relay, settings), status=201)


@router.get("", response_model=CallList, responses=faults("invalid_request"))
async def list_calls(
    relay: Daemon,
    after: Annotated[int, Query(ge=0, description="`next` of the previous answer.")] = 0,
    limit: Annotated[int, Query(ge=1, le=_PAGE, description="List this many at most.")] = _PAGE,
) -> Response:
    """List the calls that ring or are active, with statistics."""
    calls = relay.registry.page(after, limit)
    following = calls[-1].number if len(calls) == limit else None
    views = [_view(call, relay) for call in calls]
    return json(CallList.model_construct(calls=views, next=following))


@router.get(
    "/{call:name}",
    response_model=Call,
    responses=faults("unknown_call", "invalid_request"),
)
async def get_call(call: CallId, relay: Daemon) -> Response:
    """Get one call with statistics.

    The relay remembers an ended call for a while, without its parties.
    """
    return json(_view(relay.registry.get(call, relay.now()), relay))


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
    answered = body.answered() if body else None
    accepted = relay.registry.accept(call, relay.now(), answered)
    if answered:
        relay.left(call)
    relay.opened(call)
    return json(CallAccepted.of(_view(accepted, relay), release(accepted)))


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
    changed = relay.registry.change(call, body.change(), relay.token, relay.now())
    if changed.tightened:
        relay.tightened(call)
    if changed.extended:
        relay.extended(call)
    return json(_with_credentials(changed.call, relay, settings))


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
    if relay.registry.end(call, relay.now()):
        relay.ended(call)
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
    if relay.registry.end_party(call, party, relay.now()):
        relay.left(call)
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
    found = relay.registry.live(call, relay.now())
    if not found.ports:
        raise CallError("wrong_state", "Only a call in ports mode has endpoints.", call)
    leg = found.leg_of(body.party)
    relay.set_access(call, leg.id, body.access())
    told = EndpointPublic.of(relay.endpoint(call, leg.id))
    return json_without_none(EndpointUpdated(endpoint=told))


def _with_ports(call: core.Call, access: dict[str, Access], relay: Relay) -> Response:
    """A new call's relayed ports; where there are none the call has not been."""
    try:
        relay.open_ports(call.id, {leg.id: access[leg.name] for leg in call.legs})
    except CallError:
        relay.registry.end(call.id, relay.now())
        raise
    parties = {}
    for leg in call.legs:
        endpoint = EndpointPublic.of(relay.endpoint(call.id, leg.id))
        parties[leg.name] = PortPartyCreated(leg=leg.id, endpoint=endpoint)
    created = CallCreated.model_validate({**head(call), "parties": parties})
    return json_without_none(created, status=201)


def _with_credentials(call: core.Call, relay: Relay, settings: ControlSettings) -> CallCreated:
    """The call, and for each party a credential that is valid from now on."""
    expiry = int(relay.now().wall) + relay.registry.rules.credential_ttl_s
    parties = {leg.name: _created(call, leg, settings, expiry) for leg in call.legs}
    return CallCreated.model_validate({**head(call), "parties": parties})


def _created(
    call: core.Call, leg: core.Leg, settings: ControlSettings, expiry: int
) -> PartyCreated:
    """A party's way in. In a relayed call it uses nothing but the relay, or may not be masked."""
    username, password = credentials.mint(settings.secret, call.id, leg.id, expiry)
    is_direct = call.is_direct(leg)
    urls = [*settings.urls, *(settings.stun_urls if is_direct else ())]
    server = IceServer(urls=urls, username=username, credential=password)
    policy: Literal["all", "relay"] = "all" if is_direct else "relay"
    configuration = RtcConfiguration(ice_servers=[server], ice_transport_policy=policy)
    return PartyCreated(leg=leg.id, rtc_configuration=configuration)


def _view(call: core.Call, relay: Relay) -> Call:
    """A call as it stands. Built without validation: it is the daemon's own, and lists are long."""
    known = relay.legs(call.id) if call.legs else {}
    parties = {leg.name: known.get(leg.id) or Party(leg=leg.id) for leg in call.legs}
    return Call.model_construct(**head(call), parties=parties)
