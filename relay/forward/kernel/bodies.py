"""Routes as the program has them: an effect of the core, and the way packets leave this host."""

from relay.effects import SetRoute
from relay.forward.kernel import layout
from relay.forward.kernel.interfaces import Interfaces, is_link_local
from relay.forward.kernel.legs import Legs
from relay.forward.kernel.own import OwnTransportAddresses


class Bodies:
    """Asks which way packets leave, and writes `struct route`."""

    def __init__(self, interfaces: Interfaces, legs: Legs, own: OwnTransportAddresses) -> None:
        self._interfaces = interfaces
        self._legs = legs
        self._own = own

    def of(self, key: bytes, effect: SetRoute) -> tuple[bytes, int] | None:
        """`struct route` from its key on, and the number of its leg; None where the kernel has no
        way, or the leg is unknown.
        """
        client, target = effect.source.client, effect.target
        leg = self._legs.index(effect.leg)
        way = self._interfaces.way(target.client.packed, target.server.packed)
        if leg is None or way is None or is_link_local(client.packed) or client in self._own:
            return None
        target_channel, target_peer_family = layout.via(effect.target_channel)
        body = layout.ROUTE.pack(
            0,
            key,
            layout.mapped(target.client.packed),
            layout.mapped(target.server.packed),
            target.client.port.to_bytes(2),
            target.server.port.to_bytes(2),
            target_channel,
            way.packet_size_max,
            way.ifindex,
            leg,
            target_peer_family,
            bytes(6),
        )
        return body[layout.ROUTE.offsets["key"] :], leg
