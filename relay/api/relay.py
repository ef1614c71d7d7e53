"""What the API needs of the daemon, and what it is told about itself.

Rules of this file: it imports neither FastAPI nor pydantic, so that the daemon can use it before it
has paid for them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from relay.calls.registry import Registry
from relay.clock import Now
from relay.ice.access import Access, Endpoint


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


class LegView(NamedTuple):
    """What the forwarding side knows of one leg.

    Args:
        connected: it holds an allocation; of a relayed port, it is known where its party is.
        transport: between its client and the relay, once connected: of what carries the media.
        path: where its packets are forwarded, once any was.
        packets, bytes: relayed from it, in application data.
        dropped: packets from it that were not relayed.
    """

    connected: bool = False
    transport: Literal["udp", "tcp", "tls"] | None = None
    path: Literal["kernel", "user"] | None = None
    packets: int = 0
    bytes: int = 0
    dropped: int = 0


class Status(NamedTuple):
    """How the daemon is.

    Args:
        ready: it accepts traffic and is not draining.
        draining: calls go on, and no new ones begin.
        fastpath: `attached`, or in words why not.
    """

    ready: bool
    draining: bool
    uptime_s: float
    allocations: int
    fastpath: str


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

    def legs(self, call: str) -> Mapping[str, LegView]:
        """What is known of the legs of a call; legs that never allocated may be missing."""
        ...

    def status(self) -> Status:
        """How the daemon is. It counts every allocation: 1.5 ms where there are 20,000."""
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
