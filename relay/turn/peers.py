"""CreatePermission and ChannelBind: RFC 8656 sections 10.2 and 12.2."""

from relay.address import PeerAddress
from relay.clock import Now
from relay.errors import Rejected
from relay.stun.attributes import Attribute
from relay.stun.channel_data import FIRST_CHANNEL, LAST_CHANNEL
from relay.turn.effects import Effect
from relay.turn.lifetimes import Lifetimes
from relay.turn.request import Request
from relay.turn.routes import Routes
from relay.turn.table import (
    CHANNEL_LIFETIME_S,
    CHANNEL_REST_S,
    PERMISSION_LIFETIME_S,
    Allocation,
    Binding,
    Table,
)

_CHANNELS = range(FIRST_CHANNEL, LAST_CHANNEL + 1)


class Peers:
    """Decides whom an allocation may exchange data with.

    Deviates: a permission for a relayed address is not for every port of its IP (RFC 8656 section
    9), since on a relay all relayed addresses share an IP.
    """

    def __init__(self, table: Table, routes: Routes, lifetimes: Lifetimes) -> None:
        self._table = table
        self._routes = routes
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
        siblings = [self._sibling(allocation, address, now) for address in addresses]
        if allocation.is_full(now.mono):
            raise Rejected(508)
        for sibling in siblings:
            sibling.permit(allocation, now.mono + PERMISSION_LIFETIME_S)
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
        if channel not in _CHANNELS or address is None:
            raise Rejected(400)
        sibling = self._sibling(allocation, address, now)
        self._check_binding(allocation, channel, sibling, now)
        binding = allocation.channels.get(channel)
        if binding is None or binding.target is not sibling:
            if allocation.is_full(now.mono):
                raise Rejected(508)
            binding = allocation.channels[channel] = Binding(channel, sibling, 0.0)
        binding.expires = now.mono + CHANNEL_LIFETIME_S
        sibling.permit(allocation, now.mono + PERMISSION_LIFETIME_S)
        back = sibling.binding_to(allocation)
        routes = self._routes.between(allocation, binding, back, now) if back else []
        routes += self._routes.demands.bound(allocation, sibling, now)
        self._lifetimes.schedule(allocation)
        self._lifetimes.schedule(sibling)  # whose channel may run out first, and has a route now
        return [*routes, *request.success()]

    def _sibling(self, allocation: Allocation, address: PeerAddress, now: Now) -> Allocation:
        sibling = self._table.peer(allocation, address, now.mono)
        if sibling is None and allocation.outer is not None:
            sibling = allocation.outer.expect(address, now.mono)
        if sibling is not None:
            return sibling
        raise Rejected(403 if address.family == allocation.relayed.family else 443)

    def _check_binding(
        self, allocation: Allocation, channel: int, sibling: Allocation, now: Now
    ) -> None:
        """A channel means one peer and a peer has one channel, until five minutes after its end."""
        bound = allocation.channels.get(channel)
        other = allocation.binding_to(sibling)
        for binding in (bound, other):
            if binding is None or (binding.channel == channel and binding.target is sibling):
                continue
            if now.mono < binding.expires + CHANNEL_REST_S:
                raise Rejected(400)
            del allocation.channels[binding.channel]
