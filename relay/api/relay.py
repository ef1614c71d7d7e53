"""What the API needs of the daemon, and what the daemon tells it.

Rules of this file: it imports neither FastAPI nor pydantic, so that the daemon can use it before it
has paid for them. `Party` and `Status` are answered as they are: their texts below fields are
descriptions in the OpenAPI document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from relay import __version__
from relay.address import Transport
from relay.calls.call import State
from relay.calls.registry import Registry
from relay.clock import Now
from relay.ice.access import Access, Endpoint

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
    """

    urls: tuple[str, ...]
    secret: str = field(repr=False)
    tokens: tuple[str, ...] = field(default=(), repr=False)
    stun_urls: tuple[str, ...] = ()


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
    calls: Mapping[State, int]
    """How many calls are `ringing` and how many are `active`."""
    allocations: int
    """How many allocations clients hold."""
    fastpath: str
    """`attached` if the kernel fast path is in use, or else the reason why not."""


class Relay(Protocol):
    """The daemon, as the API sees it. Everything is done when a method returns."""

    @property
    def registry(self) -> Registry: ...

    @property
    def is_ready(self) -> bool:
        """It has started and serves clients."""
        ...

    @property
    def is_draining(self) -> bool:
        """Calls go on, and no new ones begin."""
        ...

    def now(self) -> Now: ...

    def token(self) -> str:
        """128 random bits, 22 characters of base64url."""
        ...

    def open_ports(self, call: str, access: Mapping[str, Access]) -> None:
        """Give each leg of a new call a relayed port.

        Args:
            access: what is known of the parties, by leg.
        Raises: CallError `invalid_request` or `out_of_ports`, and then no port is open.
        """
        ...

    def set_access(self, call: str, leg: str, access: Access) -> None:
        """Take in where a party is. Raises: CallError `unknown_call` or `invalid_request`."""
        ...

    def endpoint(self, call: str, leg: str) -> Endpoint:
        """A leg's relayed port. Raises: CallError `unknown_call`."""
        ...

    def opened(self, call: str) -> None:
        """A ringing call is active: let its data cross."""
        ...

    def ended(self, call: str) -> None:
        """A call is over: take away its allocations and routes."""
        ...

    def left(self, call: str) -> None:
        """Parties have left a call: take away what is theirs, or all where it is over."""
        ...

    def tightened(self, call: str) -> None:
        """A call is relayed now, or has more masked legs: let no leg keep what it may not have."""
        ...

    def extended(self, call: str) -> None:
        """A call may last longer, until what the registry now says."""
        ...

    def relayed(self, call: str) -> Mapping[str, Sequence[tuple[str, int]]]:
        """The relayed addresses that the legs of a call hold, best first, as numeric host and port.

        By leg; legs without an allocation may be missing.
        """
        ...

    def legs(self, call: str) -> Mapping[str, Party]:
        """What is known of the legs of a call; legs that never allocated may be missing."""
        ...

    def status(self) -> Status:
        """Say how the daemon is. This counts every allocation: 1.5 ms for 20,000 of them."""
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
