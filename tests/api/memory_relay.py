"""A daemon without a network: the real book of calls, the real API, a note of what was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from relay.address import PeerAddress
from relay.api.app import make_app
from relay.api.relay import ControlSettings, Party, Status
from relay.calls.call import Rules
from relay.calls.registry import Registry
from relay.clock import Now
from relay.errors import CallError, ConfigError
from relay.ice.access import Access, Endpoint, IceCredentials
from relay.metrics import Counters, Snapshot, render
from tests.calls.book import Book

URLS = ("turn:relay.example:3478?transport=udp", "turns:relay.example:5349?transport=tcp")
SECRET = "a secret for tests only"  # the credentials made with it open nothing
JSON = {"content-type": "application/json"}


@dataclass
class MemoryRelay:
    """Fulfils `relay.api.relay.Relay`."""

    book: Book = field(default_factory=Book)
    told: list[tuple[str, str]] = field(default_factory=list)
    known: dict[str, dict[str, Party]] = field(default_factory=dict)
    relayed_addresses: dict[str, dict[str, list[tuple[str, int]]]] = field(default_factory=dict)
    is_ready: bool = True
    is_draining: bool = False
    config_faults: tuple[str, ...] = ()
    ports_fault: CallError | None = None
    access: dict[tuple[str, str], Access] = field(default_factory=dict)
    places: dict[tuple[str, str], PeerAddress] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        return self.book.registry

    def now(self) -> Now:
        return self.book.now

    def token(self) -> str:
        return self.book.token()

    def open_ports(self, call: str, access: Mapping[str, Access]) -> None:
        if self.ports_fault is not None:
            raise self.ports_fault
        found = self.registry.get(call, self.now())
        for number, leg in enumerate(found.legs):
            self.access[call, leg.id] = access[leg.id]
            self.places[call, leg.id] = PeerAddress.parse("203.0.113.7", 50_000 + number)
        self.told.append(("open_ports", call))

    def set_access(self, call: str, leg: str, access: Access) -> None:
        if self.ports_fault is not None:
            raise self.ports_fault
        self.access[call, leg] = access

    def endpoint(self, call: str, leg: str) -> Endpoint:
        is_declared = self.access[call, leg].address is not None
        ice = None if is_declared else IceCredentials(f"ufrag{leg[-1]}", "p" * 24)
        return Endpoint(self.places[call, leg], ice)

    def opened(self, call: str) -> None:
        self.told.append(("opened", call))

    def ended(self, call: str) -> None:
        self.told.append(("ended", call))

    def left(self, call: str) -> None:
        self.told.append(("left", call))

    def tightened(self, call: str) -> None:
        self.told.append(("tightened", call))

    def extended(self, call: str) -> None:
        self.told.append(("extended", call))

    def relayed(self, call: str) -> dict[str, list[tuple[str, int]]]:
        return self.relayed_addresses.get(call, {})

    def legs(self, call: str) -> dict[str, Party]:
        return self.known.get(call, {})

    def status(self) -> Status:
        return Status(
            ready=self.is_ready and not self.is_draining,
            draining=self.is_draining,
            uptime_s=12.5,
            calls=self.registry.counts(),
            allocations=3,
            fastpath="off",
        )

    def metrics(self) -> bytes:
        calls = {state.value: count for state, count in self.registry.counts().items()}
        return render(Snapshot(calls=calls), Counters())

    def drain(self) -> None:
        self.is_draining = True
        self.told.append(("drain", ""))

    def reload(self) -> None:
        if self.config_faults:
            raise ConfigError(*self.config_faults)
        self.told.append(("reload", ""))


@dataclass
class Api:
    """The API over a `MemoryRelay`, without a socket. What the application raises, tests see."""

    relay: MemoryRelay = field(default_factory=MemoryRelay)
    tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.settings = ControlSettings(URLS, SECRET, self.tokens)
        self.app = make_app(self.relay, self.settings)
        self._transport = httpx.ASGITransport(self.app)

    @classmethod
    def under(cls, **rules: Any) -> "Api":
        """With these rules for calls."""
        return cls(MemoryRelay(Book(Rules(**rules))))

    async def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=self._transport, base_url="http://localhost"
        ) as client:
            return await client.request(method, path, **request)

    async def create(self, **changes: Any) -> dict[str, Any]:
        """A call between alice, who asked for privacy, and bob."""
        parties = [{"id": "alice", "enhanced_call_privacy": True}, {"id": "bob"}]
        answer = await self("POST", "/v1/calls", json={"parties": parties, **changes})
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body
