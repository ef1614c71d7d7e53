"""CreatePermission and ChannelBind: RFC 8656 sections 10.2 and 12.2."""

from relay.address import PeerAddress
from relay.clock import Now
from relay.effects import Effect
from relay.errors import Rejected
from relay.stun.attributes import Attribute
from relay.stun.channel_data import FIRST_CHANNEL, LAST_CHANNEL
from relay.turn.allocation import Allocation
from relay.turn.lifetimes import Lifetimes
from relay.turn.peer import (
    CHANNEL_LIFETIME_S,
    CHANNEL_REST_S,
    PERMISSION_LIFETIME_S,
    Binding,
    Peer,
)
from relay.turn.request import Request
from relay.turn.routes import demand_bound, join_channels
from relay.turn.table import Table

_CHANNELS = range(FIRST_CHANNEL, LAST_CHANNEL + 1)
_PEERS_PER_REQUEST = 32
"""A client names the candidates of the other side, at most a dozen. What is more is beyond the
relay's capacity: 508, RFC 8656 section 10.2."""


class Permissions:
    """Decides whom an allocation may exchange data with.

    In a closed call a permission is for an IP, as in RFC 8656 section 9: for the relay's, and with
    it every sibling and nobody else. While the call rings no answer tells which of them are there.
    Deviates: where `peers` is wider it is for a leg or a user, since all relayed addresses share an
    IP.
    """

    def __init__(self, table: Table, lifetimes: Lifetimes) -> None:
        self._table = table
        self._lifetimes = lifetimes

    def on_create_permission(self, request: Request, now: Now) -> list[Effect]:
        """Let data of siblings through for five minutes: of all that are named, or of none.

        Raises: Rejected 400, 403, 437, 441, 443 or 508. Nothing else.
        Spec: RFC 8656 section 10.2.
        """
        allocation = request.allocation()
        addresses = request.all(Attribute.XOR_PEER_ADDRESS)
        if not addresses:
            raise Rejected(400)
        if len(addresses) > _PEERS_PER_REQUEST:
            raise Rejected(508)
        named = [(allocation.towards(address), address) for address in addresses]
        peers = [self._peer(side, address, now) for side, address in named]
        if any(side.is_full(now.mono) for side in {side for side, _ in named}):
            raise Rejected(508)
        for (side, address), peer in zip(named, peers, strict=True):
            _permit(side, address, peer, now)
        return request.success()

    def on_channel_bind(self, request: Request, now: Now) -> list[Effect]:
        """Bind a channel to a sibling, or refresh the binding.

        Returns: the routes, where both ends are bound now, before the answer that promises them.
        Raises: Rejected 400, 403, 437, 441, 443 or 508. Nothing else.
        Spec: RFC 8656 section 12.2.
        """
        allocation = request.allocation()
        channel = request.get(Attribute.CHANNEL_NUMBER)
        address = request.get(Attribute.XOR_PEER_ADDRESS)
        if channel is None or channel not in _CHANNELS or address is None:
            raise Rejected(400)
        allocation = allocation.towards(address)
        peer = self._peer(allocation, address, now)
        if peer is None and allocation.leg.call.is_active:
            raise Rejected(403)
        self._check_binding(allocation, channel, address, now)
        binding = allocation.channels.get(channel)
        if binding is None:
            if allocation.is_full(now.mono):
                raise Rejected(508)
            binding = Binding(allocation, channel, address, peer, 0.0)
            allocation.bind(binding)
        binding.expires = now.mono + CHANNEL_LIFETIME_S
        _permit(allocation, address, peer, now)
        routes = self._routes_with(allocation, binding, peer, now)
        self._lifetimes.schedule(allocation)
        return [*routes, *request.success()]

    def _routes_with(
        self, allocation: Allocation, binding: Binding, peer: Peer | None, now: Now
    ) -> list[Effect]:
        if peer is None:
            return []
        binding.target = peer
        back = peer.binding_to(allocation)
        routes = join_channels(allocation, binding, peer, back, now) if back else []
        routes += demand_bound(allocation, peer, now)
        self._lifetimes.schedule(peer)  # whose channel may run out first, and has a route now
        return routes

    def _peer(self, allocation: Allocation, address: PeerAddress, now: Now) -> Peer | None:
        """The peer at an address; None for a sibling that is not there now, or not yet.

        Raises: Rejected 403 or 443.
        """
        if address.family != allocation.relayed.family:
            raise Rejected(443)
        peer: Peer | None = self._table.peer(allocation, address, now.mono)
        if peer is None and allocation.outer is not None:
            peer = allocation.outer.expect(address, now.mono)
        if peer is None and not allocation.may_name(address):
            raise Rejected(403)
        return peer

    def _check_binding(
        self, allocation: Allocation, channel: int, address: PeerAddress, now: Now
    ) -> None:
        """A channel means one peer and a peer has one channel, until five minutes after its end."""
        for side in allocation.sides:
            for binding in (side.channels.get(channel), side.bound.get(address)):
                if binding is None or (binding.channel == channel and binding.peer == address):
                    continue
                if now.mono < binding.expires + CHANNEL_REST_S:
                    raise Rejected(400)
                side.unbind(binding)


def _permit(allocation: Allocation, address: PeerAddress, peer: Peer | None, now: Now) -> None:
    until = now.mono + PERMISSION_LIFETIME_S
    if allocation.may_name(address):
        allocation.permissions = {**allocation.permissions, address.packed: until}
    if peer is not None:
        peer.permit(allocation, until)
