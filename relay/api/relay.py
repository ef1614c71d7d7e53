"""What the API needs of the daemon, and what the daemon tells it.

Rules of this file: it imports neither FastAPI nor pydantic, so that the daemon can use it before it
has paid for them. `Party` and `Status` are answered as they are: their texts below fields are
descriptions in the OpenAPI document.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from relay import __version__
from relay.address import Transport
from relay.calls.call import Call, CallState
from relay.calls.changes import Change
from relay.calls.leaving import AnsweredBy
from relay.calls.making import Order
from relay.calls.rules import Rules
from relay.calls.signaling import Released, Trickled
from relay.clock import Now
from relay.ice.access import Access, Endpoint
from relay.sdp import HeldCandidate, Rebuilt

_ANSWERED: dict[str, Any] = {
    "use_attribute_docstrings": True,
    "json_schema_serialization_defaults_required": True,
}
"""How pydantic describes a value of this file: every field is in every answer."""


@dataclass(slots=True)
class ControlSettings:
    """What the API is told; read at every request, so that a reload only has to assign.

    Args:
        urls: where clients find this relay, as `turn_url` writes it, best first.
        secret: the shared secret that mints credentials.
        tokens: bearer tokens, any of which opens the API; with none it is open.
        stun_urls: where parties that may use their own addresses learn them; empty for nowhere.
        takes_users: the relay takes credentials that name no call (`relay.peers` is not `call`).
        mints_per_s: what each caller of `relay.api.vendors` may have.
        minted: hears each username that is minted, and its expiry in Unix seconds.
    """

    urls: tuple[str, ...]
    secret: str = field(repr=False)
    tokens: tuple[str, ...] = field(default=(), repr=False)
    stun_urls: tuple[str, ...] = ()
    takes_users: bool = False
    mints_per_s: int = 50
    minted: Callable[[str, int], None] = lambda _username, _expiry: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One party of a call, with statistics of its leg."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _ANSWERED

    leg: str
    """The relay's name for the party."""
    connected: bool = False
    """True if the party holds an allocation. In `ports` mode: if the relay knows where it is."""
    transport: Transport | None = None
    """The transport of the allocation that carries the media; before any does, of the latest one.
    Null: the party is not connected."""
    path: Literal["kernel", "user"] | None = None
    """Where the relay forwards the party's packets. Null: the party is not connected."""
    packets: int = 0
    """Packets that the party sent and the relay passed on."""
    bytes: int = 0
    """Application data in these packets, without headers."""
    dropped: int = 0
    """Packets that the party sent and the relay did not pass on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of the relay."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        **_ANSWERED,
        "json_schema_extra": {
            "example": {
                "version": __version__,
                "ready": True,
                "draining": False,
                "uptime_s": 86400.5,
                "calls": {"ringing": 1, "active": 12},
                "allocations": 26,
                "fastpath": "attached",
            }
        },
    }

    version: str = __version__
    """The version of callveil."""
    ready: bool
    """True if the relay takes new calls."""
    draining: bool
    """True if the relay takes no new calls while the calls that run go on."""
    uptime_s: float
    """Seconds since the relay started."""
    calls: Mapping[CallState, int]
    """How many calls are `ringing` and how many are `active`."""
    allocations: int
    """How many allocations clients hold."""
    fastpath: str
    """`attached` if the kernel fast path is in use, or else the reason why not."""


class Relay(Protocol):
    """The daemon, as the API sees it: one verb for each request. What follows from it is done when
    a method returns. Calls and legs are to be read, never written.
    """

    @property
    def is_ready(self) -> bool:
        """It accepts traffic."""
        ...

    @property
    def is_draining(self) -> bool:
        """Calls go on, and no new ones begin."""
        ...

    @property
    def rules(self) -> Rules: ...

    def now(self) -> Now: ...

    def token(self) -> str:
        """An opaque random token of 22 characters."""
        ...

    def create(self, order: Order, access: Mapping[str, Access]) -> Call:
        """Create a call; in ports mode with a relayed port for each party.

        Args:
            access: what is known of the parties in ports mode, by their ids.
        Raises: CallError `draining`, `invalid_request` or `out_of_ports`, and then there is none.
        """
        ...

    def accept(self, call: str, answered: AnsweredBy | None) -> tuple[Call, Mapping[str, Released]]:
        """Let a ringing call begin.

        Returns: the call, and by party what waited for this.
        Raises: CallError `unknown_call`, `wrong_state`, `unknown_party` or `invalid_request`.
        """
        ...

    def change(self, call: str, change: Change) -> Call:
        """Tighten a call, extend it, add parties to it.

        Raises: CallError `unknown_call`, `wrong_state`, `only_tightens` or `invalid_request`.
        """
        ...

    def end(self, call: str) -> None:
        """End a call. Raises: CallError `unknown_call`."""
        ...

    def end_party(self, call: str, party: str) -> None:
        """End one party's leg. Raises: CallError `unknown_call` or `unknown_party`."""
        ...

    def revoke_user(self, name: str, for_s: int | None) -> None:
        """End a user's allocations, and refuse it for so many seconds; None: the operator's.

        Raises: CallError `no_users` or `invalid_request`.
        """
        ...

    def set_access(self, call: str, party: str, access: Access) -> Endpoint:
        """Take in where a party in ports mode is. Returns: what it is told.

        Raises: CallError `unknown_call`, `unknown_party`, `wrong_state` or `invalid_request`.
        """
        ...

    def endpoints(self, call: Call) -> Mapping[str, Endpoint]:
        """The relayed ports of a call in ports mode, by leg."""
        ...

    def describe(self, call: str, party: str, sdp: str) -> Rebuilt:
        """Rebuild a party's description for the others.

        Raises: CallError `unknown_call`, `unknown_party`, `wrong_state`, `too_many`,
            `bad_description` or `plain_media`.
        """
        ...

    def trickle(self, call: str, party: str, sent: HeldCandidate) -> Trickled:
        """Rebuild a party's candidate for the others, or hold it while the call rings.

        Raises: CallError `unknown_call`, `unknown_party`, `wrong_state` or `too_many`.
        """
        ...

    def call(self, name: str) -> Call:
        """The call of that id; for a while after its end too, then without its legs.

        Raises: CallError `unknown_call`.
        """
        ...

    def page(self, after: int, limit: int) -> list[Call]:
        """The next live calls, eldest first, whose number is greater than `after`."""
        ...

    def counts(self) -> Mapping[CallState, int]:
        """Live calls by state."""
        ...

    def legs(self, call: Call) -> Mapping[str, Party]:
        """What is known of the legs of a call; legs that never connected may be missing."""
        ...

    def status(self) -> Status:
        """Say how the daemon is."""
        ...

    def metrics(self) -> bytes:
        """One scrape, as `relay.metrics.render` makes it."""
        ...

    def drain(self) -> None:
        """Begin no new calls from now on; once is as good as twice."""
        ...

    def reload(self) -> None:
        """Read configuration and certificates again.

        Raises: ConfigError, and then nothing has changed.
        """
        ...


def turn_url(transport: str, host: str, port: int) -> str:
    """How a client is told about one listener.

    Args:
        transport: `udp`, `tcp` or `tls`.
        host: a name or a numeric address; IPv6 without brackets.
    Spec: RFC 7065 section 3.1.
    """
    scheme, under = ("turns", "tcp") if transport == "tls" else ("turn", transport)
    return f"{scheme}:{f'[{host}]' if ':' in host else host}:{port}?transport={under}"


def stun_urls(urls: Iterable[str]) -> tuple[str, ...]:
    """The same listeners as STUN servers, those over UDP. Spec: RFC 7064 section 3.1."""
    return tuple(
        f"stun:{url.removeprefix('turn:').partition('?')[0]}"
        for url in urls
        if url.endswith("?transport=udp")
    )
