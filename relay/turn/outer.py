"""Outer ports: relayed addresses that are sockets, and the peers that are outside of the relay.

Who may be such a peer, its rule says (`relay.turn.outside`); nothing that a client writes, or that
anybody sends from elsewhere, makes the relay send to another address or take anything from it. What
permissions, channels and routes mean between allocations, they mean here too.
"""

import math

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.call import Leg
from relay.effects import NO_CHANNEL, ClosePort, Effect, OpenPort
from relay.turn.outside import Outside
from relay.turn.peer import CHANNEL_REST_S, Binding, Peer
from relay.turn.routes import forget_demand


class OuterPeer(Peer):
    """A peer outside of the relay, as one allocation knows it: it talks to that allocation's outer
    port without TURN, so that its one channel is NO_CHANNEL, bound for good.

    Until it is shown whose address it is, it is not alive.
    """

    __slots__ = ("port",)

    def __init__(self, address: PeerAddress, port: "OuterPort") -> None:
        client = ClientAddress(address.packed, address.port)
        five_tuple = FiveTuple(Transport.UDP, client, port.server)
        super().__init__(five_tuple, port.of.leg, address, math.inf)
        self.port = port
        self.is_alive = False

    def belong(self, leg: Leg) -> None:
        """Take the address for one of this leg's."""
        self.leg = leg
        self.is_alive = True
        self.clear()
        of = self.port.of
        self.bind(Binding(self, NO_CHANNEL, of.relayed, of, math.inf))

    def end(self) -> None:
        """Take the address for nobody's."""
        self.is_alive = False
        forget_demand(self.port.of, self.relayed)
        forget_demand(self, NO_CHANNEL)
        self.clear()

    def permit(self, by: Peer, until: float) -> None:
        """For every port of its IP: RFC 8656 section 9. Behind NAT it has another for each peer."""
        if by is self.port.of:
            self.port.permit(self.relayed.packed, until)

    def named_until(self, by: Peer) -> float:
        """Until when a permission of the allocation lets it; 0 for never."""
        return self.port.permissions.get(self.relayed.packed, 0.0) if by is self.port.of else 0.0


class OuterPort:
    """An allocation's relayed address as a socket, and the peers that are known behind it.

    Args:
        server: what this host calls the relayed address.
        of: the allocation.
        outside: who may be a peer.
    """

    __slots__ = ("_is_opened", "is_over", "of", "outside", "peers", "permissions", "server")

    def __init__(self, server: ServerAddress, of: Peer, outside: Outside) -> None:
        self.server = server
        self.of = of
        self.outside = outside
        self.peers: dict[PeerAddress, OuterPeer] = {}
        self.permissions: dict[bytes, float] = {}
        self.is_over = False
        self._is_opened = False

    def open(self) -> list[Effect]:
        """Have the socket opened, if the call has been accepted: while it rings nobody outside
        may see which ports there are.
        """
        if self._is_opened or self.is_over or not self.of.leg.call.is_active:
            return []
        self._is_opened = True
        return [OpenPort(self.server, is_outer=True)]

    def permit(self, ip: bytes, until: float) -> None:
        """Let the allocation exchange data with this IP; the one permitted longest ago makes room.

        What is expected is forgotten, and who names enough of it would fill the memory.
        """
        self.permissions.pop(ip, None)
        self.permissions[ip] = until
        if len(self.permissions) > self.outside.most:
            del self.permissions[next(iter(self.permissions))]

    def is_known(self, client: ClientAddress) -> bool:
        """Whether data from there has come, and is a peer's."""
        known = self.peers.get(PeerAddress(client.packed, client.port))
        return known is not None and known.is_alive

    def peer(self, address: PeerAddress, mono: float) -> OuterPeer | None:
        """The peer that is at an address, whatever anybody says; None for all else."""
        known = self.peers.get(address)
        if known is not None:
            return known
        leg = None if self.is_over else self.outside.leg_at(address)
        if leg is None:
            return None
        peer = self._add(address, mono)
        if peer is not None:
            peer.belong(leg)
        return peer

    def arrived(self, address: PeerAddress, mono: float) -> OuterPeer | None:
        """The peer that a datagram came from; None for all else.

        Sources may be forged: where anybody may be a peer, nobody new is looked at unless the IP is
        permitted.
        """
        is_new_to_be_known = self.outside.is_shown or mono < self.permissions.get(
            address.packed, 0.0
        )
        return self.peer(address, mono) if is_new_to_be_known else self.peers.get(address)

    def expect(self, address: PeerAddress, mono: float) -> OuterPeer | None:
        """An address that may turn out to be a peer's; None where that is settled.

        A client tells the other side candidates before it has an allocation. What is refused then
        is not asked for again, so it is noted, and nothing crosses until the party has shown up.
        """
        is_relay = address.packed in (self.server.packed, self.of.relayed.packed)
        if is_relay or address.family != self.server.family or not self.outside.expects(address):
            return None
        return self._add(address, mono)

    def confirm(self, ip: bytes, leg: Leg) -> list[OuterPeer]:
        """A party has authenticated from there. Returns: its own among those expected."""
        expected = [p for p in self.peers.values() if p.relayed.packed == ip and not p.is_alive]
        for each in expected:
            each.belong(leg)
        return expected

    def outdated(self) -> list[OuterPeer]:
        """The peers that the rule has no place for any more."""
        outside = self.outside
        return [
            peer
            for peer in self.peers.values()
            if outside.is_over or (peer.is_alive and not outside.keeps(peer.leg))
        ]

    def forget(self, peer: OuterPeer) -> None:
        """This address is a peer no longer; its routes have been dropped."""
        peer.end()
        del self.peers[peer.relayed]

    def close(self, *, is_lost: bool = False) -> list[Effect]:
        """Nobody is a peer any longer; all routes have been dropped.

        Args:
            is_lost: it could not be opened.
        """
        for peer in list(self.peers.values()):
            self.forget(peer)
        was_open, self.is_over = self._is_opened and not self.is_over, True
        return [ClosePort(self.server)] if was_open and not is_lost else []

    def _add(self, address: PeerAddress, mono: float) -> OuterPeer | None:
        if self.is_over or not self._has_room(mono):
            return None
        peer = self.peers[address] = OuterPeer(address, self)
        return peer

    def _has_room(self, mono: float) -> bool:
        """Whether one more can be known, once one that neither channel nor route leads to is
        forgotten.
        """
        if len(self.peers) < self.outside.most:
            return True
        for peer in self.peers.values():
            binding = self.of.binding_to(peer)
            is_bound = binding is not None and mono < binding.expires + CHANNEL_REST_S
            if not (is_bound or peer.is_routed):
                self.forget(peer)
                return True
        return False
