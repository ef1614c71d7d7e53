"""Whatever is done in whatever order, by clients and by signaling servers: what is done and said
fits together at every step, and in the end nothing is left.

Here are what the model of closed calls leaves out: legs of several calls that may meet, calls that
are half-relayed, ports that could not be opened. What fits is in `tests.turn.forwarding`.
"""

from collections.abc import Callable
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from relay.address import PeerAddress
from relay.errors import CallError
from relay.turn.routes import PACKETS_FIRST
from tests.kit import wire
from tests.turn.client import Client, Relay

LEGS = ("alice", "bob", "dan")
CALLS = ("cv_half", "cv_rings", "begun")
PORTS = range(50000, 50040)
FOREVER_S = 10**8

who, whom = st.integers(0, 8), st.integers(0, 8)
channels = st.sampled_from([0x4000, 0x4001, 0x4002])


class AnyOrder(RuleBasedStateMachine):
    """Nine legs of three calls; where `peers` is `relay`, those of the third are users."""

    def __init__(self) -> None:
        super().__init__()
        self.relay = Relay()
        self.clients: list[Client] = []

    @initialize(peers=st.sampled_from(["call", "relay"]), per_leg=st.integers(1, 2))
    def start(self, peers: str, per_leg: int) -> None:
        """One call is half-relayed, one rings, one begins with a credential."""
        self.relay = Relay(
            peers=peers,
            ports=PORTS,
            allocations_per_leg=per_leg,
            unauthenticated_per_s=10_000,
        )
        self.relay.create(CALLS[0], LEGS, asked=("alice", "dan"), max_duration_s=100_000)
        self.relay.create(CALLS[1], LEGS[:2], asked=("alice",), ring=True, max_duration_s=2_000)
        for call in CALLS:
            self.clients += [self.relay.client(leg, call, ttl_s=FOREVER_S) for leg in LEGS]

    def holder(self, number: int, lifetime_s: int = 600) -> Client:
        """A client that has an allocation if it may have one."""
        client = self.clients[number]
        client.challenge()
        if not self.relay.server.is_known(client.five_tuple):
            client.allocate(wire.lifetime(lifetime_s))
        return client

    def own(self, client: Client) -> PeerAddress:
        """An address of its own."""
        return PeerAddress(client.five_tuple.client.packed, 5004)

    # What clients do

    @rule(number=who, lifetime_s=st.sampled_from([0, 600, 3600]))
    def refresh(self, number: int, lifetime_s: int) -> None:
        """Refresh an allocation, or delete it."""
        self.holder(number).refresh(lifetime_s)

    @rule(number=who)
    def allocate_a_pair(self, number: int) -> None:
        """An even port, and the one after it."""
        self.clients[number].challenge()
        self.clients[number].allocate(wire.even_port(reserve=True))

    @rule(number=who)
    def restart(self, number: int) -> None:
        """The same leg allocates on another five-tuple."""
        leg = self.clients[number].leg
        self.clients[number] = self.relay.client(leg.leg, leg.call, ttl_s=FOREVER_S)
        self.holder(number)

    @rule(number=who, other=whom, channel=channels, back=channels)
    def bind(self, number: int, other: int, channel: int, back: int) -> None:
        """Two clients bind channels to each other."""
        one, two = self.holder(number, 3600), self.holder(other)
        one.bind(channel, two.relayed)
        two.bind(back, one.relayed)

    @rule(number=who, other=whom, channel=channels, flows=st.booleans())
    def bind_one_way(self, number: int, other: int, channel: int, flows: bool) -> None:
        """One of them does not answer with a channel."""
        one, two = self.holder(number), self.holder(other)
        one.bind(channel, two.relayed)
        two.permit(one.relayed)
        for _ in range(PACKETS_FIRST if flows else 1):
            one.channel_data(channel, b"media")

    @rule(number=who, other=whom, flows=st.booleans())
    def send(self, number: int, other: int, flows: bool) -> None:
        """Two clients permit each other, and one sends."""
        one, two = self.holder(number), self.holder(other)
        one.permit(two.relayed)
        two.permit(one.relayed)
        for _ in range(PACKETS_FIRST if flows else 1):
            one.send(two.relayed, b"media")

    @rule(number=who, other=whom, channel=st.one_of(st.none(), channels))
    def meet_outside(self, number: int, other: int, channel: int | None) -> None:
        """One sends to the other's own address, and gets what comes from there."""
        one, two = self.holder(number), self.holder(other)
        if channel is None:
            one.permit(self.own(two))
            for _ in range(PACKETS_FIRST):
                one.send(self.own(two), b"media")
        else:
            one.bind(channel, self.own(two))
        self.relay.receive_outside(b"media", self.own(two), one.relayed)

    @rule(number=who)
    def disconnect(self, number: int) -> None:
        """A connection ends."""
        self.relay.disconnect(self.clients[number])

    # What happens besides

    @rule(seconds=st.sampled_from([1, 29, 60, 181, 301, 601]), is_handled=st.booleans())
    def advance(self, seconds: float, is_handled: bool) -> None:
        """Time passes, and the daemon may be too busy to notice."""
        (self.relay.advance if is_handled else self.relay.clock.advance)(seconds)

    @rule(which=st.integers(0, 9))
    def lose_port(self, which: int) -> None:
        """One of the ports turns out not to be open."""
        ports = sorted(self.relay.forwarding.ports, key=lambda port: port.port)
        if ports:
            port = ports[which % len(ports)]
            self.relay.forwarding.ports.remove(port)
            effects = self.relay.server.port_failed(port, is_taken=True, now=self.relay.clock.now)
            self.relay.forwarding.apply(effects)

    @rule(call=st.sampled_from(CALLS), answered=st.sampled_from([None, "bob"]))
    def accept(self, call: str, answered: str | None) -> None:
        """The signaling server accepts a call, if it rings."""
        self.ask(lambda: self.relay.accept(call, answered))

    @rule(
        call=st.sampled_from(CALLS),
        asked=st.sets(st.sampled_from(LEGS), max_size=2),
        newcomers=st.sets(st.sampled_from(["dan", "carol"]), max_size=1),
        lasts_s=st.sampled_from([None, 3_000, 200_000]),
    )
    def change(self, call: str, asked: set[str], newcomers: set[str], lasts_s: int | None) -> None:
        """The signaling server changes a call."""
        self.ask(lambda: self.relay.change(*newcomers, call=call, asked=asked, lasts_s=lasts_s))

    @rule(call=st.sampled_from(CALLS), leg=st.sampled_from(LEGS))
    def end_party(self, call: str, leg: str) -> None:
        """The signaling server has a party leave."""
        self.ask(lambda: self.relay.end_party(leg, call))

    @rule(call=st.sampled_from(CALLS))
    def end(self, call: str) -> None:
        """The signaling server ends a call."""
        self.ask(lambda: self.relay.end(call))

    @rule(leg=st.sampled_from(LEGS), for_s=st.sampled_from([0, 60, None]))
    def revoke(self, leg: str, for_s: int | None) -> None:
        """The signaling server revokes a user, where there are any."""
        self.ask(lambda: self.relay.revoke(f"{CALLS[2]}:{leg}", for_s))

    def ask(self, request: Callable[[], object]) -> None:
        """Ask for something that may be refused."""
        with suppress(CallError):
            request()

    @invariant()
    def what_was_told_is_what_there_is(self) -> None:
        """Whoever follows the events alone knows which calls there are, and who is connected."""
        server = self.relay.server
        calls = server.page(0, 10)
        assert {call.id for call in calls} == self.relay.forwarding.calls
        legs = [leg for call in calls for leg in call.legs]
        connected = {leg.key for leg in legs if server.transport_of(leg) is not None}
        assert connected == self.relay.forwarding.connected
        held = sum(server.count_allocations().values())
        users = len(self.relay.forwarding.legs - {leg.key for leg in legs})
        assert held == users + sum(len(leg.held) for leg in legs)

    def teardown(self) -> None:
        """When everything has run out nothing is left, not even a port."""
        self.relay.advance(300_000)
        forwarding, server = self.relay.forwarding, self.relay.server
        assert (forwarding.calls, forwarding.legs, forwarding.connected) == (set(), set(), set())
        assert (forwarding.routes, forwarding.ports) == ({}, set())
        assert server.next_timeout() is None
        for number in range(len(PORTS) if self.clients else 0):
            self.relay.allocated("alice", f"after{number}")


AnyOrder.TestCase.settings = settings(stateful_step_count=50)
TestAnyOrder = AnyOrder.TestCase
