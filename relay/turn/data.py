"""Data that no route carries yet: Send indications, and ChannelData on the way to a route.

RFC 8656 sections 11 and 12. The rules are those of the routes: both ends permit each other, both
calls are open. Every way that does not end in `Deliver` ends in `Count`; what was delivered may
have a route from then on.
"""

from collections.abc import Callable
from dataclasses import replace

from relay.address import FiveTuple, PeerAddress
from relay.clock import Now
from relay.effects import NO_CHANNEL, Count, Deliver, Effect, Via
from relay.errors import DropReason, Malformed
from relay.stun import channel_data
from relay.stun.attributes import Attribute, numbers
from relay.stun.message import Class, Message, Method, build
from relay.turn.guesses import Guesses
from relay.turn.lifetimes import Lifetimes
from relay.turn.peer import Peer
from relay.turn.routes import demand
from relay.turn.table import Table

_KNOWN = numbers(Attribute.XOR_PEER_ADDRESS, Attribute.DATA)
_DF = numbers(Attribute.DONT_FRAGMENT)


class Data:
    """Decides, packet by packet, what crosses between two allocations.

    Args:
        entropy: random bytes on demand.
        sets_df: the sockets can set DF.
    """

    def __init__(
        self,
        table: Table,
        lifetimes: Lifetimes,
        entropy: Callable[[int], bytes],
        *,
        sets_df: bool = True,
    ) -> None:
        self._known = _KNOWN | _DF if sets_df else _KNOWN
        self._table = table
        self._lifetimes = lifetimes
        self._entropy = entropy
        self._guesses = Guesses()

    def on_send(self, message: Message, client: FiveTuple, now: Now) -> list[Effect]:
        """Relay the data of one Send indication.

        Raises: Malformed BAD_ATTRIBUTE. Nothing else.
        Spec: RFC 8656 section 11.2.
        """
        allocation = self._table.by_client.get(client)
        if allocation is None:
            return self._of_nobody(client, now)
        address = message.get(Attribute.XOR_PEER_ADDRESS)
        data = message.get(Attribute.DATA)
        if address is None or data is None or message.unknown(self._known):
            raise Malformed(DropReason.BAD_ATTRIBUTE)
        allocation = allocation.towards(address)
        target = self._table.peer(allocation, address, now.mono)
        if target is None:
            return [Count(DropReason.NOT_A_SIBLING, allocation.leg.key)]
        effects = self._relay(allocation, target.relayed, target, data, now)
        if target.is_outside and message.get(Attribute.DONT_FRAGMENT):
            return [_whole(effect) for effect in effects]
        return effects

    def on_channel_data(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Relay one ChannelData message.

        Raises: Malformed TOO_SHORT, BAD_CHANNEL or BAD_LENGTH. Nothing else.
        Spec: RFC 8656 section 12.6.
        """
        channel, payload = channel_data.parse(datagram)
        allocation = self._table.by_client.get(client)
        if allocation is None:
            return self._of_nobody(client, now)
        side = next((each for each in allocation.sides if channel in each.channels), None)
        if side is None:
            return [Count(DropReason.NO_CHANNEL, allocation.leg.key)]
        binding = side.channels[channel]
        target = self._table.follow(side, binding, now.mono)
        if binding.expires <= now.mono or target is None:
            return [Count(DropReason.EXPIRED, side.leg.key)]
        return self._relay(side, channel, target, bytes(payload), now)

    def on_outside(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Relay what came to an outer port, if it is from a peer: see `relay.turn.outside`."""
        outer = self._table.by_outer_port.get(client.server)
        if outer is None:
            return [Count(DropReason.NO_ALLOCATION)]
        address = PeerAddress(client.client.packed, client.client.port)
        peer = outer.arrived(address, now.mono)
        if peer is None or not peer.is_alive:
            return [Count(DropReason.UNKNOWN_SOURCE)]
        return self._relay(peer, NO_CHANNEL, outer.of, datagram, now)

    def _of_nobody(self, client: FiveTuple, now: Now) -> list[Effect]:
        """Silence, whatever is said and whoever else is there."""
        reason = self._guesses.reason_for(client, len(self._table.by_client), now.mono)
        return [Count(reason)]

    def _relay(self, source: Peer, via: Via, target: Peer, data: bytes, now: Now) -> list[Effect]:
        leg = source.leg.key
        if not (source.leg.call.carries(now.mono) and target.leg.call.carries(now.mono)):
            return [Count(DropReason.RINGING, leg)]
        permitted = source.has_permission(target, now.mono)
        if not (permitted and target.has_permission(source, now.mono)):
            return [Count(DropReason.NO_PERMISSION, leg)]
        source.used = target.used = now.mono
        back = target.live_binding_to(source, now.mono)
        if back is None:
            datagram = self._data_indication(source, data)
        elif back.channel == NO_CHANNEL:
            datagram = data
        else:
            datagram = channel_data.build(back.channel, data)
        deliver = Deliver(leg, target.client, datagram, len(data))
        if isinstance(via, int) and back is not None:
            return [deliver]  # two channels have their route
        routes = demand(source, via, target, now)
        if routes:
            self._lifetimes.schedule(source)
        return [deliver, *routes]

    def _data_indication(self, source: Peer, data: bytes) -> bytes:
        # RFC 8656 section 11.4. The peer's address is a relayed one, or its unmasked party's own.
        attributes = ((Attribute.XOR_PEER_ADDRESS, source.relayed), (Attribute.DATA, data))
        return build(Method.DATA, Class.INDICATION, self._entropy(12), attributes)


def _whole(effect: Effect) -> Effect:
    """DONT-FRAGMENT: what does not fit the path to a peer outside the relay is lost."""
    return replace(effect, is_whole=True) if isinstance(effect, Deliver) else effect
