"""Whom an allocation may exchange data with, and the channels and permissions between two peers.

Rules of this file: values, kept consistent; no wire format, no policy. What is permitted in a
closed call is an IP, the relay's, and with it every sibling and nobody else; where `peers` is wider
it is a leg, or a user with all that it holds. A channel is bound to an address. In a closed call it
leads to the sibling that has that address; where `peers` is wider, to the allocation that was
meant: when that is gone it leads nowhere, even if its port is given to another.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from relay.address import FiveTuple, PeerAddress
from relay.calls.call import Leg, RelayedAddress
from relay.calls.ends import End
from relay.calls.routes import may_meet
from relay.effects import NO_CHANNEL, LegKey, Via

PERMISSION_LIFETIME_S = 300.0  # RFC 8656 section 9
CHANNEL_LIFETIME_S = 600.0  # RFC 8656 section 12
CHANNEL_REST_S = 300.0  # before a channel may mean another peer: RFC 8656 section 12

CONSENT_S = 30.0
"""An allocation over which nothing has come for so long carries nothing: RFC 7675 section 5.1."""

_NOTHING: Mapping[Any, Any] = {}


class Binding(End):
    """A channel of one allocation: an end of its leg, and the peer that it leads to.

    `target` is who has, or had, the peer's address; None where nobody has had it so far.
    """

    __slots__ = ("channel", "peer", "target")

    def __init__(
        self, of: "Peer", channel: int, peer: PeerAddress, target: "Peer | None", expires: float
    ) -> None:
        super().__init__(of.leg, of.client, channel, expires)
        self.channel = channel
        self.peer = peer
        self.target = target


class Demand(End):
    """What one client sends in one way to one sibling, where no two channels join them."""

    __slots__ = ("packets", "target")

    def __init__(self, of: "Peer", via: Via, target: "Peer") -> None:
        super().__init__(of.leg, of.client, via, math.inf)
        self.target = target
        self.packets = 0


class Peer(RelayedAddress):
    """One side of an exchange: an allocation, or an unmasked party's own address.

    `used` is when data last crossed that the core has seen. `channels` are by number, `bound` the
    same by their peers' addresses. `demanded_by` are the demands whose target this is. What is
    empty is shared: a new mapping takes its place.
    """

    __slots__ = ("bound", "channels", "client", "demanded_by", "demands", "permissions", "used")

    def __init__(self, client: FiveTuple, leg: Leg, relayed: PeerAddress, expires: float) -> None:
        super().__init__(leg, relayed, expires)
        self.client = client
        self.used = -math.inf
        self.channels: Mapping[int, Binding] = _NOTHING
        self.bound: Mapping[PeerAddress, Binding] = _NOTHING
        self.demands: Mapping[Via, Demand] = _NOTHING
        self.demanded_by: tuple[tuple[Peer, Demand], ...] = ()
        self.permissions: Mapping[bytes | LegKey, float] = _NOTHING

    def bind(self, binding: Binding) -> None:
        """Add a channel. Neither it nor its peer is bound so far."""
        self.channels = {**self.channels, binding.channel: binding}
        self.bound = {**self.bound, binding.peer: binding}

    def unbind(self, *bindings: Binding) -> None:
        """Take channels away; their routes have been dropped."""
        self.channels = {n: each for n, each in self.channels.items() if each not in bindings}
        self.bound = {p: each for p, each in self.bound.items() if each not in bindings}

    def clear(self) -> None:
        """Forget every channel and permission: they lead back to who knows this side, and without
        this only the cyclic collector would free both.
        """
        self.channels = self.bound = self.permissions = _NOTHING

    def binding_to(self, target: "Peer") -> Binding | None:
        """The channel that leads to this peer, live or resting.

        Args:
            target: one that this side may know.
        """
        binding = self.bound.get(target.relayed)
        if binding is None or binding.target is target:
            return binding
        call = self.leg.call
        if not (call.closed and target.leg.call is call and target.is_alive):
            return None
        binding.target = target
        return binding

    def live_binding_to(self, target: "Peer", mono: float) -> Binding | None:
        """The channel that leads to this peer now."""
        binding = self.binding_to(target)
        return binding if binding and mono < binding.expires else None

    def joined(self) -> "Iterator[tuple[Binding, Peer, Binding]]":
        """Every pair of channels that join this side and a peer, live or not."""
        for binding in self.channels.values():
            target = binding.target
            back = target.binding_to(self) if target is not None else None
            if target is not None and back is not None:
                yield binding, target, back

    def has_permission(self, target: "Peer", mono: float) -> bool:
        """Whether data may cross between this side and the peer, as far as this one goes.

        A bound channel counts as permission while it lasts: clients that refresh channels only
        would otherwise fall silent after five minutes. A call that has been closed since counts.
        """
        return target.is_alive and mono < self.permitted_until(target, mono)

    def permitted_until(self, target: "Peer", mono: float) -> float:
        """Until when data may cross, as far as this side goes; 0 for never."""
        if not may_meet(self.leg.call, target.leg.call):
            return 0.0
        binding = self.live_binding_to(target, mono)
        return max(target.named_until(self), binding.expires if binding else 0.0)

    def permit(self, by: "Peer", until: float) -> None:
        """Let that side exchange data with this one, as far as that one goes."""
        by.permissions = {**by.permissions, _scope(by, self): until}

    def named_until(self, by: "Peer") -> float:
        """Until when a permission of that side lets it; 0 for never."""
        return by.permissions.get(_scope(by, self), 0.0)

    def is_in_use(self, mono: float) -> bool:
        """Whether this side is in use: it has a route, or data has crossed lately."""
        return mono < self.used + CONSENT_S or self.is_routed

    @property
    def is_outside(self) -> bool:
        """Whether its data leaves the relay by an outer port, as it is."""
        return NO_CHANNEL in self.channels

    @property
    def is_routed(self) -> bool:
        """Whether a route leads from it or to it."""
        demanded = (demand for _, demand in self.demanded_by)
        ends: tuple[End, ...] = (*self.channels.values(), *self.demands.values(), *demanded)
        return any(end.routed_until for end in ends)

    def deadline(self) -> float:
        """When something of it next runs out: itself, or a route."""
        moments = [each.expires for each in self.channels.values() if each.routed_until]
        if self.demands:
            moments += [each.routed_until for each in self.demands.values() if each.routed_until]
        return min(self.expires, *moments) if moments else self.expires


def _scope(by: Peer, peer: Peer) -> bytes | LegKey:
    """What a permission of one side for the other is for: see the rules of this file."""
    return peer.relayed.packed if by.leg.call.closed else peer.leg.scope
