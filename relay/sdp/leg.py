"""What a rebuilder has to know of the leg whose party wrote the description."""

from collections.abc import Iterable
from typing import NamedTuple

from relay.address import PeerAddress


class Relayed(NamedTuple):
    """One relayed address of a leg, as it is written into candidates.

    Args:
        number: its place among the leg's; a candidate's foundation and preference come of it, so
            that descriptions and late candidates agree without anything being remembered.
    """

    number: int
    host: str
    port: int


class LegDescription:
    """The leg of the party that a description or a candidate comes from.

    Args:
        relayed: numeric host and port of each of its allocations, as far as they are known. With
            none no candidate of a masked party survives.
        masked: its own addresses are kept from the others. Otherwise candidates with addresses stay
            as they are, and the rest is rebuilt all the same.
        ringing: nobody has accepted the call: candidates are set apart instead of being passed on.
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
        """The leg's relayed address that this is, in whatever spelling; None where it is none.

        Raises: ValueError, where `host` is not a numeric address.
        """
        return self._by_address.get(PeerAddress.parse(host, port))
