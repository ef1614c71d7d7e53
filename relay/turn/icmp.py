"""ICMP errors about what an allocation has sent to a peer outside of the relay.

In a closed call nothing is told of them but a path MTU: what else a network says of a party is not
the other's business, and neither are the answers of a network to what the other sends there.
"""

from collections.abc import Callable

from relay.address import IPV4, IPV6, FiveTuple, PeerAddress
from relay.clock import Now
from relay.effects import Effect, Send
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method, build
from relay.stun.values import Icmp
from relay.turn.table import Table

_TOLD = {IPV4: (3, 11), IPV6: (1, 2, 3)}  # types
_TOO_BIG = {IPV4: (3, 4), IPV6: (2, 0)}  # type and code; the only ones with error data


class IcmpErrors:
    """Tells clients of ICMP errors."""

    def __init__(self, table: Table, entropy: Callable[[int], bytes]) -> None:
        self._table = table
        self._entropy = entropy

    def on_error(self, icmp: Icmp, client: FiveTuple, now: Now) -> list[Effect]:
        """An ICMP error has come for what left an outer port.

        Args:
            icmp: type and code, and the path MTU in an error that has one.
            client: where that was sent to; its server is the outer port.
        Returns: a Data indication with ICMP, or nothing.
        Spec: RFC 8656 sections 11.5 and 18.13.
        """
        outer = self._table.by_outer_port.get(client.server)
        if outer is None or not outer.is_known(client.client):
            return []
        address, family = (
            PeerAddress(client.client.packed, client.client.port),
            client.client.family,
        )
        peer, allocation = outer.peer(address, now.mono), outer.of
        if peer is None or not allocation.has_permission(peer, now.mono):
            return []
        is_too_big = (icmp.type, icmp.code) == _TOO_BIG[family]
        if icmp.type not in _TOLD[family] or (allocation.leg.call.closed and not is_too_big):
            return []
        told = icmp if is_too_big else icmp._replace(data=0)
        attributes = ((Attribute.XOR_PEER_ADDRESS, address), (Attribute.ICMP, told))
        datagram = build(Method.DATA, Class.INDICATION, self._entropy(12), attributes)
        return [Send(allocation.client, datagram)]
