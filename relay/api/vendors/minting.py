"""Mints a credential for a request in any vendor's shape, within the rate of its caller; and takes
one back.

Rules of this file: everything is checked before anything is minted, and nothing is kept of what was
minted: a call that an identifier names begins with the first allocation, as any that a credential
names.
"""

import ipaddress
import secrets
from typing import Annotated, NamedTuple

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from relay.api.dependencies import Daemon, Settings, json_without_none
from relay.api.dialects import first_good
from relay.api.relay import ControlSettings, Relay, stun_urls
from relay.api.requirements import look_up
from relay.calls.call import CallState
from relay.calls.credentials import call_of, mint, mint_user
from relay.calls.rate import Rate
from relay.errors import CallError

LONGEST_TTL_S = 86_400
"""What the vendors' clients ask for when they ask for a day; `auth.ttl_s` may allow more. For as
long it is remembered that a leg has ended."""

LONGEST_IDENTIFIER = 256
"""Bytes. Cloudflare takes 64 characters."""


FAULTS = (
    *("needs_call", "needs_registered_call", "wrong_state", "invalid_request"),
    *("too_many_mints", "draining"),
)
"""What minting may answer, whatever the shape."""


class Minted(NamedTuple):
    """A credential and where it is good.

    Args:
        urls: `turn:` and `turns:` URLs, in the order of the configuration.
        stun_url: for lists that must begin with one.
        is_of_call: it is one of a call's, which is closed.
    """

    username: str
    password: str
    ttl_s: int
    urls: tuple[str, ...]
    stun_url: str
    is_of_call: bool


class MintRate:
    """How often each caller may have a credential minted: a rate per token and source."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._per_s = 0
        self._rate = Rate(1, self._key)

    def is_within(self, caller: bytes, per_s: int, mono: float) -> bool:
        """Whether one more is within the rate; if so it is counted."""
        if per_s != self._per_s:  # at first, and after the configuration was read again
            self._per_s, self._rate = per_s, Rate(per_s, self._key)
        return self._rate.is_within(caller, mono)


class Minter:
    """Mints for one request."""

    def __init__(self, request: Request, relay: Relay, settings: ControlSettings) -> None:
        self._request = request
        self._relay = relay
        self._settings = settings

    def mint(self, identifier: bytes, ttl_s: int | None, how_to_name: str) -> Minted:
        """Mint a credential: of a call, or of a user that is in none.

        Args:
            identifier: names the call; empty for none.
            ttl_s: for how many seconds the credential may start allocations; None for `auth.ttl_s`.
            how_to_name: a sentence about where the identifier would stand.
        Raises: CallError `too_many_mints`, `invalid_request`, `needs_call`,
            `needs_registered_call`, `wrong_state` or `draining`. Nothing else.
        """
        relay, settings = self._relay, self._settings
        now = relay.now()
        if not self._is_within_rate(now.mono):
            raise CallError("too_many_mints", "Ask again in a second, and use what you were given.")
        lasts_s = self._checked_ttl(ttl_s)
        self._check_is_taken(identifier, how_to_name)
        expiry = int(now.wall) + lasts_s
        if identifier:
            call = call_of(settings.secret, identifier)
            self._check_may_join(call)
            credential = mint(settings.secret, call, relay.token(), expiry)
        elif relay.is_draining:
            raise _draining()
        else:
            credential = mint_user(settings.secret, relay.token(), expiry)
        urls = settings.urls
        return Minted(*credential, lasts_s, urls, _stun_url(urls), is_of_call=bool(identifier))

    def _is_within_rate(self, mono: float) -> bool:
        request = self._request
        presented = look_up(request.scope["path"])[0].dialect.presented(request.scope)
        token = first_good(self._settings.tokens, presented)  # nothing else that anybody makes up
        caller = _source(request) + b"\0" + token
        rate: MintRate = request.app.state.mint_rate
        return rate.is_within(caller, self._settings.mints_per_s, mono)

    def _checked_ttl(self, ttl_s: int | None) -> int:
        usual_s = self._relay.rules.credential_ttl_s
        most_s = max(usual_s, LONGEST_TTL_S)
        if ttl_s is None:
            return usual_s
        if not 1 <= ttl_s <= most_s:
            raise CallError("invalid_request", f"ttl: give a whole number from 1 to {most_s}.")
        return ttl_s

    def _check_is_taken(self, identifier: bytes, how_to_name: str) -> None:
        """Whether the relay takes what would be minted."""
        if self._relay.rules.require_registered_call:
            detail = "auth.require_registered_call is true: create the call with POST /v1/calls."
            raise CallError("needs_registered_call", detail)
        if len(identifier) > LONGEST_IDENTIFIER:
            detail = f"The identifier may have {LONGEST_IDENTIFIER} bytes at most."
            raise CallError("invalid_request", detail)
        if not identifier and not self._settings.takes_users:
            detail = f"{how_to_name} Without it, relay.peers must be relay, listed or any."
            raise CallError("needs_call", detail)

    def _check_may_join(self, name: str) -> None:
        """Whether an allocation may begin this call, or join it."""
        try:
            call = self._relay.call(name)
        except CallError:
            if self._relay.is_draining:
                raise _draining() from None
            return
        if call.state is CallState.ENDED:
            raise CallError("wrong_state", "The call was ended. It cannot begin again today.", name)


def _draining() -> CallError:
    return CallError("draining", "Ask another relay, or later.")


async def _minter(request: Request, relay: Daemon, settings: Settings) -> Minter:
    return Minter(request, relay, settings)


Mint = Annotated[Minter, Depends(_minter)]


def unstored(body: BaseModel, status: int = 200) -> Response:
    """JSON response without null fields, which no cache on the way keeps: it holds a secret."""
    response = json_without_none(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _source(request: Request) -> bytes:
    """The host that asks: an IPv4 address, or an IPv6 network, since a host owns its whole /64."""
    if request.client is None:
        return b""
    try:
        packed = ipaddress.ip_address(request.client.host).packed
    except ValueError:
        return b""
    return packed if len(packed) == 4 else packed[:8]


def _stun_url(urls: tuple[str, ...]) -> str:
    """The first listener over UDP as a STUN server, else the first of all: RFC 7064 section 3.1."""
    over_udp = stun_urls(urls)
    return over_udp[0] if over_udp else "stun:" + urls[0].partition(":")[2].partition("?")[0]
