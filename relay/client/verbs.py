"""The verbs of the API: each function makes one request. `Client` and `AsyncClient` send them.

Rules of this file: what is None is not sent, so that the relay's default holds.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from relay.client import bodies
from relay.client.request import Request, document, nothing, readiness

_CALLS = "/v1/calls"


def create_call(
    parties: Iterable[bodies.PartyCreate],
    *,
    ring: bool | None = None,
    max_duration_s: int | None = None,
    max_bitrate_bps: int | None = None,
) -> Request[bodies.CallCreated]:
    """Create a call, and for each party a TURN credential.

    Args:
        parties: two or more; the first is the caller.
        ring: False if the call is active at once.
    """
    return Request(
        "POST",
        _CALLS,
        document(bodies.CallCreated),
        _given(
            parties=[*parties],
            ring=ring,
            max_duration_s=max_duration_s,
            max_bitrate_bps=max_bitrate_bps,
        ),
    )


def create_ports_call(
    parties: Iterable[bodies.PartyCreate],
    *,
    ring: bool | None = None,
    max_duration_s: int | None = None,
    max_bitrate_bps: int | None = None,
) -> Request[bodies.PortCallCreated]:
    """Create a call in ports mode, and for each of its two parties a relayed port."""
    return Request(
        "POST",
        _CALLS,
        document(bodies.PortCallCreated),
        _given(
            parties=[*parties],
            ring=ring,
            mode="ports",
            max_duration_s=max_duration_s,
            max_bitrate_bps=max_bitrate_bps,
        ),
    )


def accept_call(
    call: str, *, party: str | None = None, leg: str | None = None
) -> Request[bodies.CallAccepted]:
    """Accept a ringing call: from now on media may cross.

    Args:
        party: the one that answered, if the call rings on several devices.
        leg: that of the party that answered, instead of `party`.
    """
    body = _given(party=party, leg=leg) or None
    return Request("POST", _path(call, "accept"), document(bodies.CallAccepted), body)


def show_call(call: str) -> Request[bodies.Call]:
    """Show a call with statistics."""
    return Request("GET", _path(call), document(bodies.Call))


def list_some_calls(*, after: int = 0) -> Request[bodies.CallList]:
    """List the first calls whose number is greater than `after`: one answer of the relay."""
    return Request("GET", f"{_CALLS}?after={after}", document(bodies.CallList))


def change_call(
    call: str,
    *,
    parties: Iterable[bodies.PartyUpdate] | None = None,
    max_duration_s: int | None = None,
) -> Request[bodies.CallCreated]:
    """Switch privacy on, extend a call, or add parties to it. Every party gets a new credential."""
    changed = None if parties is None else [*parties]
    body = _given(parties=changed, max_duration_s=max_duration_s)
    return Request("PATCH", _path(call), document(bodies.CallCreated), body)


def end_call(call: str) -> Request[None]:
    """End a call and all its legs. Ending it again changes nothing."""
    return Request("DELETE", _path(call), nothing)


def end_party(call: str, party: str) -> Request[None]:
    """End one party's leg for good; the other parties stay."""
    return Request("DELETE", _path(call, "parties", party), nothing)


def revoke_user(name: str, *, for_s: int | None = None) -> Request[None]:
    """End a user's allocations and refuse the user, whatever its credential.

    Args:
        name: the username of its credentials without the expiry.
        for_s: for how many seconds; 0 lifts an earlier revocation.
    """
    asked = "" if for_s is None else f"?for_s={for_s}"
    return Request("DELETE", f"/v1/users/{_encoded(name)}{asked}", nothing)


def set_endpoint(
    call: str,
    party: str,
    *,
    ice: bodies.IceCredentials | None = None,
    address: bodies.PartyAddress | None = None,
) -> Request[bodies.EndpointUpdated]:
    """Tell the relay where a party in ports mode is, by its ICE credentials or its address."""
    body = _given(party=party, ice=ice, address=address)
    return Request("POST", _path(call, "endpoint"), document(bodies.EndpointUpdated), body)


def rebuild_description(call: str, party: str, sdp: str) -> Request[bodies.Description]:
    """Rebuild a party's session description for the other parties."""
    body = {"from": party, "sdp": sdp}
    return Request("POST", _path(call, "description"), document(bodies.Description), body)


def rebuild_candidate(
    call: str, party: str, candidate: bodies.CandidateCreate
) -> Request[bodies.Candidate]:
    """Rebuild a party's trickled candidate for the other parties."""
    body = {**candidate, "from": party}
    return Request("POST", _path(call, "candidate"), document(bodies.Candidate), body)


def decide_permission(
    *,
    relationship: bodies.Relationship | None = None,
    settings: bodies.CalleeSettings | None = None,
) -> Request[bodies.Permission]:
    """Decide whether a caller may call a callee. Tell a caller the same for every refusal."""
    body = _given(relationship=relationship, settings=settings)
    return Request("POST", "/v1/permission", document(bodies.Permission), body)


def status() -> Request[bodies.Status]:
    """Show the state of the relay."""
    return Request("GET", "/v1/status", document(bodies.Status))


def drain() -> Request[bodies.Status]:
    """Make the relay take no new calls. The calls that run go on."""
    return Request("POST", "/v1/drain", document(bodies.Status))


def reload() -> Request[bodies.Status]:
    """Make the relay read its configuration and its certificates again."""
    return Request("POST", "/v1/reload", document(bodies.Status))


def is_ready() -> Request[bool]:
    """Whether the relay takes new calls. The relay asks for no token here."""
    return Request("GET", "/readyz", readiness)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _path(call: str, *more: str) -> str:
    return "/".join((_CALLS, _encoded(call), *(_encoded(name) for name in more)))


def _encoded(name: str) -> str:
    """A name as one part of a path. A name of dots alone would be taken out of it otherwise.

    Bytes that are no UTF-8 arrive from a command line as surrogates, and the relay refuses them.
    """
    return {".": "%2E", "..": "%2E%2E"}.get(
        name, quote(name.encode(errors="surrogateescape"), safe="")
    )
