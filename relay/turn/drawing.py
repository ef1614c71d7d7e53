"""Relayed addresses: drawn at random from the pool of a leg's call, some of them as sockets.

Rules of this file: who may have one, `relay.turn.allocate` has decided by then.
"""

from relay.address import IPV4, IPV6, PeerAddress, ServerAddress
from relay.calls.call import Leg
from relay.calls.pool import Entropy
from relay.clock import Now
from relay.turn.outside import Kind, Outsides
from relay.turn.quotas import PORTS_PER_ALLOCATION
from relay.turn.reservations import Reservations
from relay.turn.settings import TurnSettings
from relay.turn.table import Table


class Drawing:
    """
    Args:
        outsides: which legs are reached from outside of the relay.
        entropy: random bytes on demand, from a CSPRNG.
    """

    def __init__(
        self,
        settings: TurnSettings,
        table: Table,
        reservations: Reservations,
        outsides: Outsides,
        entropy: Entropy,
    ) -> None:
        self.outsides = outsides
        self.most = PORTS_PER_ALLOCATION * settings.allocations_per_leg
        """Ports that a leg may use."""
        self._table = table
        self._reservations = reservations
        self._entropy = entropy
        self._ips = _by_family(settings.relayed_ips)
        self._local_ips = _by_family(settings.local_ips)

    def draw(
        self, leg: Leg, family: int, even: bool | None, token: bytes | None, now: Now
    ) -> tuple[PeerAddress, ServerAddress | None] | None:
        """A relayed address that is free, None where there is none; and what its host calls it,
        where it is to be reached from outside the relay.
        """
        kind = self.outsides.kind(leg)
        if token is not None:
            kept = self._reservations.claim(token, leg)
            return self._relayed(kept.family, kept.port, kind) if kept else None
        is_apart = kind in (Kind.UNMASKED, Kind.MEDIA_SERVERS) and even is None
        outer = self._draw_outer(leg, family, now) if is_apart else None
        if outer is not None:
            return PeerAddress(self._ips[family], outer.port), outer
        if kind is Kind.MEDIA_SERVERS:
            return None
        pool, is_even, is_pair = self._table.pool_of(leg.call), even is not None, even is True
        port = pool.draw(self._entropy, now.mono, leg.scope, even=is_even, pair=is_pair)
        return self._relayed(family, port, kind) if port >= 0 else None

    def _relayed(
        self, family: int, port: int, kind: Kind
    ) -> tuple[PeerAddress, ServerAddress | None]:
        """A relayed address of the relay's pool, which can be reached from outside where anybody
        can.
        """
        local = self._local_ips.get(family) if kind is Kind.ANYWHERE else None
        outer = ServerAddress(local, port) if local else None
        return PeerAddress(self._ips[family], port), outer

    def _draw_outer(self, leg: Leg, family: int, now: Now) -> ServerAddress | None:
        """An outer port; None where there is none left: the leg has the relay only, then."""
        local = self._local_ips.get(family)
        if not local:
            return None
        port = self._table.draw_outer(leg, self.most, self._entropy, now.mono)
        return ServerAddress(local, port) if port > 0 else None

    def reserve_after(self, relayed: PeerAddress, leg: Leg, now: Now) -> bytes:
        """Keep the port after this one, which was drawn with it. Returns: the token to claim it."""
        pool, upper = self._table.pool_of(leg.call), relayed.port + 1
        return self._reservations.reserve(leg, pool, upper, relayed.family, now)


def _by_family(ips: tuple[bytes, ...]) -> dict[int, bytes]:
    return {IPV4 if len(ip) == 4 else IPV6: ip for ip in ips}
