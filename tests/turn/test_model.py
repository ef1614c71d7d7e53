"""A model of several calls against the server, step by step, under Hypothesis.

The model is written from RFC 8656 and the rules of a closed call; it knows nothing of the table.
After every step the routes that live in the doing side must be exactly those the model allows, and
every datagram must go exactly where the model says, or nowhere.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.address import IPV6, PeerAddress
from relay.effects import Count, Deliver, Effect, Via
from relay.errors import CallError
from relay.stun.attributes import Attribute
from relay.turn.routes import PACKETS_FIRST
from tests.kit import wire
from tests.turn.client import RELAY_IPV4, RELAY_IPV6, Client, Exchange, Relay

LEGS = ("alice", "bob", "carol")
CHANNELS = st.sampled_from([0x4000, 0x4001, 0x4FFF])
TIMES = st.sampled_from([1, PACKETS_FIRST])
PERMISSION_S, CHANNEL_S, COOL_DOWN_S = 300, 600, 300
MONTH_S = 30 * 24 * 3600
RING_S = 180


@dataclass
class Binding:
    """A channel of one allocation."""

    peer: PeerAddress
    expires: float


@dataclass
class Expected:
    """One allocation as the model sees it; of one with two relayed addresses one side."""

    client: Client
    relayed: PeerAddress
    expires: float
    permissions: dict[bytes, float] = field(default_factory=dict)  # by IP: RFC 8656 section 9
    channels: dict[int, Binding] = field(default_factory=dict)

    def channel_to(self, peer: PeerAddress, now: float) -> int | None:
        """The live channel that is bound to this peer."""
        for number, binding in self.channels.items():
            if binding.peer == peer and binding.expires > now:
                return number
        return None

    def admits(self, peer: PeerAddress, now: float) -> bool:
        """Whether data to and from this peer is permitted; a live channel permits it too."""
        is_permitted = self.permissions.get(peer.packed, 0) > now
        return is_permitted or self.channel_to(peer, now) is not None


class ClosedCalls(RuleBasedStateMachine):
    """Clients of two calls, three legs each, that do whatever they like, and a signaling server
    that does, too.

    Who has two relayed addresses stands twice among the clients, once for each.
    """

    calls = ("cv_one", "cv_two")
    relayed_ips: tuple[bytes, ...] = (RELAY_IPV4,)
    both_families: tuple[int, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.relay = Relay(
            ports=range(40000, 60000), unauthenticated_per_s=1000, relayed_ips=self.relayed_ips
        )
        self.clients: list[Client] = []
        self.allocations: dict[Client, Expected] = {}
        self.open: dict[str, bool] = {}
        self.begun: dict[str, float] = {}
        self.told: dict[str, dict[PeerAddress, str]] = {call: {} for call in self.calls}
        self.left: dict[str, set[str]] = {call: set() for call in self.calls}
        self.ended: set[str] = set()

    # What the model knows

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.relay.clock.now.mono

    def live(self, client: Client) -> Expected | None:
        """The client's allocation, if it has one that has not expired."""
        allocation = self.allocations.get(client)
        return allocation if allocation and allocation.expires > self.now else None

    def sides(self, client: Client) -> list[Client]:
        """All that stand for the same five-tuple."""
        return [each for each in self.clients if each.five_tuple == client.five_tuple]

    def held(self, client: Client) -> list[Expected]:
        """What the client has: one, or two of two families."""
        return [found for side in self.sides(client) if (found := self.live(side))]

    def towards(self, client: Client, peer: PeerAddress) -> Expected | None:
        """What the client has towards peers of that family."""
        families = (each for each in self.held(client) if each.relayed.family == peer.family)
        return next(families, None)

    def sibling(self, client: Client, peer: PeerAddress) -> Expected | None:
        """The live allocation of another leg of the same call at this relayed address."""
        for other in self.clients:
            found = self.live(other)
            is_sibling = other.leg.call == client.leg.call and other.leg != client.leg
            if found and is_sibling and other.relayed == peer:
                return found
        return None

    def may_name(self, client: Client, peer: PeerAddress) -> bool:
        """Whether a sibling may be meant: one that has, or had, the address; anything on the relay
        while the call rings.
        """
        call, own = client.leg
        if not self.open[call]:
            return peer.packed in self.relayed_ips
        return self.told[call].get(peer, own) != own

    def expected_delivery(self, client: Client, peer: PeerAddress, data: bytes) -> bytes | None:
        """What the peer's client should get for data to this peer: channel data, `b""`, or None.

        Returns: the ChannelData message; empty bytes for a Data indication; None for silence.
        """
        allocation, target = self.towards(client, peer), self.sibling(client, peer)
        if not allocation or not target or not self.open[client.leg.call]:
            return None
        relayed = allocation.relayed
        if not allocation.admits(peer, self.now) or not target.admits(relayed, self.now):
            return None
        channel = target.channel_to(relayed, self.now)
        return b"" if channel is None else wire.channel_data(channel, data)

    # What the model does

    def begin(self, call: str, *, rings: bool) -> None:
        """The signaling server creates a call."""
        self.ended.discard(call)
        self.left[call].clear()
        self.open[call], self.begun[call] = not rings, self.now
        self.relay.create(call, LEGS, ring=rings)

    def finish(self, call: str) -> None:
        """A call is over, and all that its legs had."""
        for leg in LEGS:
            self.leave(call, leg)
        self.told[call].clear()
        self.ended.add(call)

    def leave(self, call: str, leg: str) -> None:
        """A leg has left its call, and all that it had is gone."""
        self.left[call].add(leg)
        for client in [each for each in self.allocations if each.leg == (call, leg)]:
            del self.allocations[client]

    def stop_ringing(self) -> None:
        """Calls that have rung for too long are over."""
        for call in self.calls:
            rings = not self.open[call] and call not in self.ended
            if rings and self.now >= self.begun[call] + RING_S:
                self.finish(call)

    def staying(self, call: str) -> list[str]:
        """The legs that are in a call."""
        return [leg for leg in LEGS if leg not in self.left[call]]

    # Steps

    @initialize(ringing=st.tuples(st.booleans(), st.booleans()))
    def start(self, ringing: tuple[bool, bool]) -> None:
        """Six clients, a seventh that shares a leg with the first; all but one have allocated."""
        for call, rings in zip(self.calls, ringing, strict=True):
            self.start_call(call, rings=rings)
            self.clients += [self.relay.client(leg, call, ttl_s=MONTH_S) for leg in LEGS]
        self.clients.append(self.relay.client(LEGS[0], self.calls[0], ttl_s=MONTH_S))
        for number in self.both_families:
            leg = self.clients[number].leg
            self.clients.append(self.relay.client(leg.leg, leg.call, ttl_s=MONTH_S))
            self.clients[-1].five_tuple = self.clients[number].five_tuple
        for number in range(6):
            self.allocate(number, 3600)

    def start_call(self, call: str, *, rings: bool) -> None:
        """How the calls begin."""
        self.begin(call, rings=rings)

    def pick(self, number: int) -> Client:
        """One of the clients."""
        return self.clients[number % len(self.clients)]

    def fresh(self, client: Client) -> None:
        """Take a nonce that will do, so that no step has to be taken twice."""
        client.challenge()

    who = st.integers(0, 9)
    whom = st.one_of(st.integers(0, 1), who)
    which = st.integers(0, 1)

    @rule(number=who, lifetime_s=st.sampled_from([600, 1200, 3600]))
    def allocate(self, number: int, lifetime_s: int) -> None:
        """Allocate: 437 on a used five-tuple, 403 after the call ended."""
        client = self.pick(number)
        self.fresh(client)
        sides = self.sides(client)
        additional = [wire.additional_family(IPV6)] if len(sides) > 1 else []
        code = client.allocate(wire.lifetime(lifetime_s), *additional).code
        if self.held(client):
            assert code == 437
        elif client.leg.call in self.ended or client.leg.leg in self.left[client.leg.call]:
            assert code == 403
        else:
            assert code == 0
            for side, relayed in zip(sides, (client.relayed, client.second), strict=False):
                side.relayed = relayed
                self.allocations[side] = Expected(side, relayed, self.now + lifetime_s)
                self.told[client.leg.call][relayed] = client.leg.leg

    @rule(number=who, lifetime_s=st.sampled_from([0, 600, 3600]), names=st.booleans())
    def refresh(self, number: int, lifetime_s: int, names: bool) -> None:
        """Refresh: 437 without an allocation, 443 for a family that it has not."""
        client = self.pick(number)
        family = client.relayed.family
        self.fresh(client)
        code = client.refresh(lifetime_s, *([wire.requested_family(family)] * names)).code
        held = self.held(client)
        meant = [each for each in held if not names or each.relayed.family == family]
        assert code == (0 if meant else 443 if held else 437)
        for each in meant:
            each.expires = self.now + lifetime_s
            if not lifetime_s:
                del self.allocations[each.client]

    @rule(number=whom, other=whom)
    def permit(self, number: int, other: int) -> None:
        """CreatePermission: 403 for whatever is not a sibling and never was."""
        client, peer = self.pick(number), self.pick(other).relayed
        self.fresh(client)
        code = client.permit(peer).code
        allocation = self.towards(client, peer)
        if not self.held(client):
            assert code == 437
        elif not allocation:
            assert code == 443
        elif not self.may_name(client, peer):
            assert code == 403
        else:
            assert code == 0
            allocation.permissions[peer.packed] = self.now + PERMISSION_S

    @rule(number=whom, other=whom, channel=CHANNELS)
    def bind(self, number: int, other: int, channel: int) -> None:
        """ChannelBind: 400 for what is bound or cooling down, 403 for what is not a sibling."""
        client, peer = self.pick(number), self.pick(other).relayed
        self.fresh(client)
        exchange = client.bind(channel, peer)
        allocation = self.towards(client, peer)
        if not self.held(client):
            assert exchange.code == 437
        elif not allocation:
            assert exchange.code == 443
        else:
            self.check_bind(exchange, allocation, channel, peer)

    def check_bind(
        self, exchange: Exchange, allocation: Expected, channel: int, peer: PeerAddress
    ) -> None:
        """The answer to a ChannelBind of a client that has an allocation."""
        call = allocation.client.leg.call
        held = {
            number: binding.peer
            for side in self.held(allocation.client)
            for number, binding in side.channels.items()
            if binding.expires + COOL_DOWN_S > self.now
        }
        is_taken = held.get(channel, peer) != peer
        is_elsewhere = any(p == peer and number != channel for number, p in held.items())
        faults = {400} if is_taken or is_elsewhere else set()
        is_there = self.sibling(allocation.client, peer) or not self.open[call]
        if not (is_there and self.may_name(allocation.client, peer)):
            faults.add(403)
        assert exchange.code in (faults or {0})
        if not faults:
            allocation.channels = {
                number: binding for number, binding in allocation.channels.items() if number in held
            }
            allocation.channels[channel] = Binding(peer, self.now + CHANNEL_S)
            allocation.permissions[peer.packed] = self.now + PERMISSION_S

    @rule(channel=CHANNELS, back=CHANNELS)
    def bind_both_ends(self, channel: int, back: int) -> None:
        """The first two legs of the first call bind channels to each other."""
        self.bind(0, 1, channel)
        self.bind(1, 0, back)

    @rule(number=whom, other=whom, data=st.binary(max_size=9), times=TIMES)
    def send(self, number: int, other: int, data: bytes, times: int) -> None:
        """Send indications."""
        client, peer = self.pick(number), self.pick(other).relayed
        expected = self.expected_delivery(client, peer, data)
        for _ in range(times):
            self.check_delivery(client, peer, data, client.send(peer, data), expected)

    @rule(number=whom, channel=CHANNELS, data=st.binary(max_size=9), times=TIMES)
    def channel_data(self, number: int, channel: int, data: bytes, times: int) -> None:
        """ChannelData, which goes to the channel's peer and nowhere else."""
        for _ in range(times):
            self.channel_data_once(self.pick(number), channel, data)

    def channel_data_once(self, client: Client, channel: int, data: bytes) -> None:
        """One of them."""
        effects = client.channel_data(channel, data)
        bound = [each.channels.get(channel) for each in self.held(client)]
        binding = next((each for each in bound if each and each.expires > self.now), None)
        if binding:
            expected = self.expected_delivery(client, binding.peer, data)
            self.check_delivery(client, binding.peer, data, effects, expected)
        else:
            assert not any(isinstance(effect, Deliver) for effect in effects)
            assert any(isinstance(effect, Count) for effect in effects)

    def check_delivery(
        self,
        client: Client,
        peer: PeerAddress,
        data: bytes,
        effects: list[Effect],
        expected: bytes | None,
    ) -> None:
        """Data went where the model says, in the shape it says, or nowhere."""
        (effect,) = (found for found in effects if isinstance(found, Count | Deliver))
        if expected is None:
            assert isinstance(effect, Count)
            return
        target = self.sibling(client, peer)
        assert isinstance(effect, Deliver)
        assert target is not None
        assert effect.leg == client.leg
        assert effect.client == target.client.five_tuple
        assert effect.payload == len(data)
        if expected:
            assert effect.datagram == expected
        else:
            message = wire.parse(effect.datagram)
            named = message.address(Attribute.XOR_PEER_ADDRESS)
            allocation = self.towards(client, peer)
            assert allocation is not None
            assert named == (allocation.relayed.packed, allocation.relayed.port)
            assert message.value(Attribute.DATA) == data

    @rule(seconds=st.sampled_from([0.25, 7, 60, 250.5, 299.75, 301, 599, 601, 905]))
    def advance(self, seconds: float) -> None:
        """Time passes, with every timeout handled when it is due."""
        self.relay.advance(seconds)
        self.stop_ringing()

    @rule(seconds=st.sampled_from([0.25, 60, 301, 601]))
    def advance_with_a_busy_daemon(self, seconds: float) -> None:
        """Time passes, and nobody got round to handling timeouts yet."""
        self.relay.clock.advance(seconds)
        self.stop_ringing()

    @precondition(lambda self: not all(self.open.values()))
    @rule(number=which, answers=st.sampled_from([None, *LEGS[1:]]))
    def accept(self, number: int, answers: str | None) -> None:
        """A ringing call is accepted: by whom it may be, or by one of those who were called."""
        call = self.calls[number]
        if self.open[call] or call in self.ended or answers in self.left[call]:
            return
        self.open[call] = True
        self.relay.accept(call, answers)
        for leg in self.staying(call)[1:]:
            if answers not in (None, leg):
                self.leave(call, leg)

    @rule(number=which, again=st.booleans(), rings=st.booleans())
    def end(self, number: int, again: bool, rings: bool) -> None:
        """A call ends; then it stays so, or one of the same name begins."""
        call = self.calls[number]
        if call in self.relay.forwarding.calls:
            self.relay.end(call)
            self.finish(call)
        if again:
            self.begin(call, rings=rings)

    @rule(number=which, leg=st.sampled_from(LEGS))
    def end_party(self, number: int, leg: str) -> None:
        """A leg leaves; without it the call is over if one would be left, or nobody to answer."""
        call = self.calls[number]
        if call in self.ended:
            return
        before = self.staying(call)
        self.relay.end_party(leg, call)
        if leg in before and (len(before) <= 2 or (leg == LEGS[0] and not self.open[call])):
            self.finish(call)
        self.leave(call, leg)

    @rule(number=which, leg=st.sampled_from(LEGS))
    def tighten(self, number: int, leg: str) -> None:
        """One party wants privacy from now on; the calls are closed all the same."""
        call = self.calls[number]
        if call not in self.ended and leg not in self.left[call]:
            self.relay.change(call=call, asked=[leg])

    @rule(number=who)
    def disconnect(self, number: int) -> None:
        """The client's connection ends."""
        client = self.pick(number)
        self.relay.disconnect(client)
        for side in self.sides(client):
            self.allocations.pop(side, None)

    # What holds after every step

    @invariant()
    def routes_are_those_of_live_pairs_in_open_calls(self) -> None:
        """One between channels lives exactly while both are bound, live, and the call is open."""
        expected = set()
        for client in self.clients:
            allocation = self.live(client)
            for channel, binding in allocation.channels.items() if allocation else ():
                target = self.sibling(client, binding.peer)
                back = target and target.channel_to(client.relayed, self.now)
                if binding.expires > self.now and back and self.open[client.leg.call]:
                    assert target is not None
                    expected.add((client.five_tuple, channel, target.client.five_tuple, back))
        routes = self.relay.forwarding.live(self.relay.clock.now)
        found = {
            (route.source, route.channel, route.target, route.target_channel)
            for route in routes
            if isinstance(route.channel, int) and isinstance(route.target_channel, int)
        }
        assert found == expected

    @invariant()
    def routes_of_indications_lead_where_data_would_be_delivered(self) -> None:
        """And name the sender's relayed address, or no peer but a channel."""
        by_client = {client.five_tuple: client for client in self.clients}
        for route in self.relay.forwarding.live(self.relay.clock.now):
            source, target = by_client[route.source], by_client[route.target]
            allocation, peer = self.joined(source, target, route.channel)
            client, relayed = allocation.client, allocation.relayed
            if isinstance(route.channel, int):
                assert allocation.channel_to(peer, self.now) == route.channel
            else:
                assert route.channel == peer
            expected = self.expected_delivery(client, peer, b"")
            if isinstance(route.target_channel, int):
                assert expected == wire.channel_data(route.target_channel, b"")
            else:
                assert (expected, route.target_channel) == (b"", relayed)

    def joined(self, source: Client, target: Client, via: Via) -> tuple[Expected, PeerAddress]:
        """The sides that a route leads from and to: the sender's, and the other's address."""
        (allocation,) = (side for side in self.held(source) if self.is_from(side, via))
        (peer,) = (
            side.relayed
            for side in self.held(target)
            if side.relayed.family == allocation.relayed.family
        )
        return allocation, peer

    def is_from(self, side: Expected, via: Via) -> bool:
        """Whether this is the side on which that is sent."""
        if isinstance(via, int):
            return via in side.channels and side.channels[via].expires > self.now
        return via.family == side.relayed.family

    @invariant()
    def routes_join_two_legs_of_one_call_and_are_charged_to_the_sender(self) -> None:
        """Whatever the model thinks: both ends are clients of one call and of two legs."""
        legs = {client.five_tuple: client.leg for client in self.clients}
        for route in self.relay.forwarding.routes.values():
            source, target = legs[route.source], legs[route.target]
            assert source.call == target.call
            assert source != target
            assert route.leg == source

    @invariant()
    def relayed_ports_are_unique_within_a_call(self) -> None:
        """Two live allocations of one call never share a relayed address."""
        taken = [
            (client.leg.call, client.relayed.port) for client in self.clients if self.live(client)
        ]
        assert len(taken) == len(set(taken))

    @invariant()
    def what_was_told_of_calls_and_legs_is_what_there_is(self) -> None:
        """Whoever follows the events alone knows which calls there are, and who is connected."""
        server = self.relay.server
        calls = server.page(0, 10)
        assert {call.id for call in calls} == self.relay.forwarding.calls
        connected = {
            leg.key for call in calls for leg in call.legs if server.transport_of(leg) is not None
        }
        assert connected == self.relay.forwarding.connected


class CredentialCalls(ClosedCalls):
    """The same where credentials begin the calls: they do not ring, they end with their last
    allocation, and begin anew unless the signaling server has ended them.
    """

    calls = ("one", "two")

    def start_call(self, call: str, *, rings: bool) -> None:
        """The first allocation begins it."""
        del rings
        self.open[call] = True

    @rule(number=ClosedCalls.who, lifetime_s=st.sampled_from([600, 1200, 3600]))
    def allocate(self, number: int, lifetime_s: int) -> None:
        """As in other calls; in a new one no address is known."""
        call = self.pick(number).leg.call
        if not any(self.live(client) for client in self.clients if client.leg.call == call):
            self.told[call].clear()
        super().allocate(number, lifetime_s)

    @rule(number=ClosedCalls.which)
    def end(self, number: int) -> None:
        """A call ends for good, whether it has begun or not."""
        self.relay.end(self.calls[number])
        self.finish(self.calls[number])

    @rule(number=ClosedCalls.which, leg=st.sampled_from(LEGS))
    def end_party(self, number: int, leg: str) -> None:
        """A leg leaves for good, whether it has come or not."""
        self.relay.end_party(leg, self.calls[number])
        self.leave(self.calls[number], leg)

    @rule(number=ClosedCalls.which, leg=st.sampled_from(LEGS))
    def tighten(self, number: int, leg: str) -> None:
        """No such call is changed."""
        with pytest.raises(CallError):
            self.relay.change(call=self.calls[number], asked=[leg])


class BothFamilies(ClosedCalls):
    """The same where two legs of a call, and one that is there twice, have a relayed address of
    each family, and channels and permissions on both.
    """

    relayed_ips = (RELAY_IPV4, RELAY_IPV6)
    both_families = (0, 1, 6)

    alices, bobs = st.sampled_from([0, 7]), st.sampled_from([1, 8])

    @rule(one=alices, two=bobs, channel=CHANNELS, back=CHANNELS)
    def bind_two_sides(self, one: int, two: int, channel: int, back: int) -> None:
        """Channels of both families."""
        self.bind(one, two, channel)
        self.bind(two, one, back)
        self.channel_data(one, channel, b"media", 1)

    @rule(one=alices, two=bobs, times=TIMES)
    def talk(self, one: int, two: int, times: int) -> None:
        """Indications of both families."""
        self.permit(one, two)
        self.permit(two, one)
        self.send(one, two, b"media", times)

    @rule(one=alices, two=bobs, lifetime_s=st.sampled_from([0, 600, 3600]))
    def refresh_two_sides(self, one: int, two: int, lifetime_s: int) -> None:
        """Of one client one side, of the other both."""
        self.refresh(one, lifetime_s, names=True)
        self.refresh(two, 3600, names=False)

    @rule(one=alices, two=bobs)
    def come_back(self, one: int, two: int) -> None:
        """Both clients have allocations if they may."""
        self.allocate(one, 3600)
        self.allocate(two, 3600)


ClosedCalls.TestCase.settings = settings(stateful_step_count=50)
TestClosedCalls = ClosedCalls.TestCase
CredentialCalls.TestCase.settings = ClosedCalls.TestCase.settings
TestCredentialCalls = CredentialCalls.TestCase
BothFamilies.TestCase.settings = ClosedCalls.TestCase.settings
TestBothFamilies = BothFamilies.TestCase
