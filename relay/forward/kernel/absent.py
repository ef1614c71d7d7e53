"""The kernel path of a relay that has none."""

from relay.address import ServerAddress
from relay.effects import DropLeg, DropRoute, LegKey, SetLeg, SetRoute
from relay.forward.kernel.legs import LegCounts
from relay.forward.meter import Tally


class AbsentPath:
    """Has the methods of `FastPath`, takes no route and has counted nothing: whoever applies
    effects need not ask whether there is a kernel path.

    Args:
        status: in words why there is none.
    """

    is_attached = False
    routes = 0
    adopted = 0
    watched: tuple[int, ...] = ()

    def __init__(self, status: str) -> None:
        self.status = status

    def set_route(self, effect: SetRoute) -> bool:
        """The user path has to forward it."""
        return False

    def drop_route(self, effect: DropRoute) -> None:
        """There is none to drop."""

    def open_port(self, address: ServerAddress) -> None:
        """Nothing guards it here."""

    def close_port(self, address: ServerAddress) -> None:
        """Nothing has guarded it here."""

    def set_leg(self, effect: SetLeg) -> bool:
        """There is no room for it."""
        return False

    def drop_leg(self, effect: DropLeg) -> None:
        """It was never here."""

    def leg(self, leg: LegKey) -> LegCounts | None:
        """No leg is known here."""
        return None

    def has_route(self, leg: LegKey) -> bool:
        """No route of any leg is here."""
        return False

    def counters(self) -> Tally:
        """Zeros."""
        return Tally()

    def renew(self, now_ns: int) -> None:
        """There is no lease."""

    def give_to(self, uid: int) -> None:
        """There is nothing to give."""

    def follow(self) -> bool:
        """Nothing here depends on this host's interfaces."""
        return False

    def close(self, leave_running: bool) -> None:
        """There is nothing to close."""
