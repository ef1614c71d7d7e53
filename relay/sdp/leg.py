"""What the rebuilder needs to know of the leg whose party wrote a description."""

from collections.abc import Iterable
from typing import NamedTuple

from relay.address import PeerAddress


class Relayed(NamedTuple):
    """One relayed transport address of a leg, as candidates name it.

    Args:
        number: its place among those of the leg, from 1. The foundation and the preference of a
            candidate follow from it, so that descriptions and late candidates agree without memory.
    """

    number: int
    host: str
    port: int


class LegDescription:
    """The leg of the party that a description or a candidate comes from.

    Args:
        relayed: numeric host and port of each allocation that is known. With none, no candidate of
            a masked party is kept.
        masked: the party is masked. Otherwise candidates with numeric addresses stay as they are,
            and the rest of the description is rebuilt all the same.
        ringing: nobody has accepted the call yet: candidates are held instead of being passed on.
    Raises: ValueError, where a relayed address is not numeric.
    """

    def __init__(
        self,
        relayed: Iterable[tuple[str, int]] = (),
        *,
        masked: bool = True,
        ringing: bool = False,
    ) -> None:
        self.masked = masked
        self.ringing = ringing
        self._by_address = {
            PeerAddress.parse(host, port): Relayed(number, host, port)
            for number, (host, port) in enumerate(relayed, start=1)
        }

    def relayed(self, host: str, port: int) -> Relayed | None:
        """Find the relayed transport address of the leg with this host, in any spelling, and port.

        Returns: None where the leg has no such address.

        Raises: ValueError, where `host` is not a numeric address.
        """
        return self._by_address.get(PeerAddress.parse(host, port))
