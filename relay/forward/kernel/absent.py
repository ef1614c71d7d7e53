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
        """Take no route: the user path forwards it."""
        return False

    def drop_route(self, effect: DropRoute) -> None:
        """Do nothing: no route is in the kernel."""

    def open_port(self, address: ServerAddress) -> None:
        """Do nothing: without a program nothing guards a port."""

    def close_port(self, address: ServerAddress) -> None:
        """Do nothing: without a program nothing has guarded a port."""

    def set_leg(self, effect: SetLeg) -> bool:
        """Take no leg."""
        return False

    def drop_leg(self, effect: DropLeg) -> None:
        """Do nothing: the kernel knows no leg."""

    def leg(self, leg: LegKey) -> LegCounts | None:
        """Know no leg."""
        return None

    def has_route(self, leg: LegKey) -> bool:
        """Have no route."""
        return False

    def counters(self) -> Tally:
        """Count nothing."""
        return Tally()

    def renew(self, now_ns: int) -> None:
        """Do nothing: without a program there is no lease."""

    def give_to(self, uid: int) -> None:
        """Do nothing: without a program nothing is pinned."""

    def follow(self) -> bool:
        """Nothing here depends on this host's interfaces."""
        return False

    def close(self, leave_running: bool) -> None:
        """Do nothing: nothing is open."""
