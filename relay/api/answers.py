"""Answers about a call, made of what the core knows of it and what the daemon counts."""

from typing import Literal

from relay.api.relay import ControlSettings, Party, Relay
from relay.api.schemas.calls import (
    Call,
    CallCreated,
    IceServer,
    MediaServerCreated,
    PartyCreated,
    RtcConfiguration,
    head,
)
from relay.api.schemas.endpoints import EndpointPublic, PortPartyCreated
from relay.calls.call import Call as CoreCall
from relay.calls.call import Leg
from relay.calls.credentials import mint


def show(call: CoreCall, relay: Relay) -> Call:
    """A call as it stands. Built without validation: it is the daemon's own, and lists are long."""
    known = relay.legs(call)
    parties = {leg.name: known.get(leg.id) or Party(leg=leg.id) for leg in call.legs}
    return Call.model_construct(**head(call), parties=parties)


def with_endpoints(call: CoreCall, relay: Relay) -> CallCreated:
    """A call in `ports` mode, and each party's relayed port."""
    endpoints = relay.endpoints(call)
    parties = {}
    for leg in call.legs:
        endpoint = EndpointPublic.of(endpoints[leg.id])
        parties[leg.name] = PortPartyCreated(leg=leg.id, endpoint=endpoint)
    return CallCreated.model_validate({**head(call), "parties": parties})


def with_credentials(call: CoreCall, relay: Relay, settings: ControlSettings) -> CallCreated:
    """A call, and for each party a credential that is valid from now on."""
    expiry = int(relay.now().wall) + relay.rules.credential_ttl_s
    parties: dict[str, PartyCreated | MediaServerCreated] = {
        leg.name: _party(call, leg, settings, expiry)
        if leg.listed is None
        else MediaServerCreated(leg=leg.id)
        for leg in call.legs
    }
    return CallCreated.model_validate({**head(call), "parties": parties})


def _party(call: CoreCall, leg: Leg, settings: ControlSettings, expiry: int) -> PartyCreated:
    """How one party reaches the relay; STUN servers only if it may use its own address."""
    username, password = mint(settings.secret, call.id, leg.id, expiry)
    settings.minted(username, expiry)
    is_direct = call.is_direct(leg)
    urls = [*settings.urls, *(settings.stun_urls if is_direct else ())]
    server = IceServer(urls=urls, username=username, credential=password)
    policy: Literal["all", "relay"] = "all" if is_direct else "relay"
    configuration = RtcConfiguration(ice_servers=[server], ice_transport_policy=policy)
    return PartyCreated(leg=leg.id, rtc_configuration=configuration)
