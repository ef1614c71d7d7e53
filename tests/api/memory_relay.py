"""A daemon without a network: the real server, the real API, and a list of what was to be done."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from relay.address import PeerAddress, ServerAddress
from relay.api.app import make_app
from relay.api.relay import ControlSettings, Party, Status
from relay.calls.call import Call, CallState
from relay.calls.changes import Change
from relay.calls.leaving import AnsweredBy
from relay.calls.making import Order
from relay.calls.rules import Rules
from relay.calls.signaling import Released, Trickled
from relay.clock import Now
from relay.effects import Effect
from relay.errors import ConfigError
from relay.ice.access import Access, Endpoint
from relay.ice.settings import PortSettings
from relay.metrics import Counters, Snapshot, render
from relay.sdp import HeldCandidate, Rebuilt
from relay.server import Server, ServerSettings
from relay.special_use import Denied
from relay.turn.settings import TurnSettings

URLS = ("turn:relay.example:3478?transport=udp", "turns:relay.example:5349?transport=tcp")
SECRET = "a secret for tests only"  # the credentials made with it open nothing
JSON = {"content-type": "application/json"}
WALL_AHEAD_S = 1_700_000_000.0
"""The wall clock's lead over the monotonic one."""

RELAYED = PeerAddress.parse("203.0.113.7", 0)
SETTINGS = ServerSettings(
    TurnSettings(
        realm="r",
        secrets=(SECRET,),
        relayed_ips=(RELAYED.packed,),
        ports=range(50_000, 60_000),
        peers="call",
        mask_mapped_address=True,
        stun_binding=False,
        allocations_per_leg=4,
        allocations=100,
        unauthenticated_per_s=10,
        nonce_key=bytes(32),
    ),
    PortSettings(
        addresses=((RELAYED, ServerAddress(RELAYED.packed, 0)),),
        mask_mapped_address=True,
        unauthenticated_per_s=10,
        rate_key=bytes(32),
        denied=Denied(default=False),
        is_this_host=lambda _: False,
    ),
)


@dataclass
class MemoryRelay:
    """Fulfils `relay.api.relay.Relay`.

    `done` are the effects and events of all that was asked for; `known` is what the forwarding side
    would know of legs, and `relayed_addresses` what they would have allocated, by call and leg.
    """

    rules: Rules = field(default_factory=Rules)
    settings: ServerSettings = SETTINGS
    mono: float = 1_000.0
    is_ready: bool = True
    done: list[Effect] = field(default_factory=list)
    known: dict[str, dict[str, Party]] = field(default_factory=dict)
    relayed_addresses: dict[str, dict[str, list[tuple[str, int]]]] = field(default_factory=dict)
    config_faults: tuple[str, ...] = ()
    reloads: int = 0

    def __post_init__(self) -> None:
        self._tokens = count(1)
        entropy = random.Random(7).randbytes
        self.server = _Server(self.settings, self.rules, entropy, self.token)
        self.server.relayed_addresses = self.relayed_addresses

    def now(self) -> Now:
        return Now(self.mono, self.mono + WALL_AHEAD_S)

    def token(self) -> str:
        """As long as a real one: 22 characters."""
        return f"{next(self._tokens):022}"

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.mono += seconds
        self.done += self.server.handle_timeout(self.now())

    def begin(self, call: str, leg: str) -> None:
        """A credential begins this call, or this leg of it."""
        self.server._book.admit(call, leg, self.now())

    @property
    def is_draining(self) -> bool:
        return self.server.is_draining

    def create(self, order: Order, access: Mapping[str, Access]) -> Call:
        name = f"cv_{self.token()}"
        self.done += self.server.create(name, order, access, self.now())
        return self.call(name)

    def accept(self, call: str, answered: AnsweredBy | None) -> tuple[Call, dict[str, Released]]:
        self.done += self.server.accept(call, answered, self.now())
        return self.call(call), self.server.release(self.call(call))

    def change(self, call: str, change: Change) -> Call:
        self.done += self.server.change(call, change, self.now())
        return self.call(call)

    def end(self, call: str) -> None:
        self.done += self.server.end(call, self.now())

    def end_party(self, call: str, party: str) -> None:
        self.done += self.server.end_party(call, party, self.now())

    def revoke_user(self, name: str, for_s: int | None) -> None:
        self.done += self.server.revoke_user(name, for_s, self.now())

    def set_access(self, call: str, party: str, access: Access) -> Endpoint:
        self.done += self.server.set_access(call, party, access, self.now())
        return self.server.endpoint(self.call(call).leg_of(party))

    def endpoints(self, call: Call) -> dict[str, Endpoint]:
        return {leg.id: self.server.endpoint(leg) for leg in call.legs}

    def describe(self, call: str, party: str, sdp: str) -> Rebuilt:
        return self.server.describe(call, party, sdp, self.now())

    def trickle(self, call: str, party: str, sent: HeldCandidate) -> Trickled:
        return self.server.trickle(call, party, sent, self.now())

    def call(self, name: str) -> Call:
        return self.server.call(name, self.now())

    def page(self, after: int, limit: int) -> list[Call]:
        return self.server.page(after, limit)

    def counts(self) -> dict[CallState, int]:
        return self.server.counts()

    def legs(self, call: Call) -> dict[str, Party]:
        return self.known.get(call.id, {})

    def status(self) -> Status:
        is_ready = self.is_ready and not self.is_draining
        return Status(
            ready=is_ready,
            draining=self.is_draining,
            uptime_s=12.5,
            calls=self.counts(),
            allocations=3,
            fastpath="off",
        )

    def metrics(self) -> bytes:
        calls = {state.value: number for state, number in self.counts().items()}
        return render(Snapshot(calls=calls), Counters())

    def drain(self) -> None:
        self.server.drain()

    def reload(self) -> None:
        if self.config_faults:
            raise ConfigError(*self.config_faults)
        self.reloads += 1


class _Server(Server):
    """The real one, whose clients' allocations are said instead of made."""

    relayed_addresses: dict[str, dict[str, list[tuple[str, int]]]]

    def relayed_of(self, call: Call) -> dict[str, list[tuple[str, int]]]:
        return self.relayed_addresses.get(call.id, {})


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
        return cls(MemoryRelay(Rules(**rules)))

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
        self.relay.done.clear()
        return body
