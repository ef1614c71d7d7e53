"""How many sockets clients may take, so that whatever else the process opens finds a descriptor."""

from collections.abc import Callable


class Descriptors:
    """Counts the sockets that clients cause: their connections, and relayed ports.

    `make_room` has a connection give way that nobody needs, and says whether there was one; it is
    no more a little later, in a turn of the loop of its own.

    Args:
        most: at most so many at a time.
    """

    def __init__(self, most: int = 1 << 30) -> None:
        self.most = most
        self.taken = 0
        self.make_room: Callable[[], bool] = lambda: False

    def find_room(self) -> bool:
        """Whether one more may be taken, or another gives way to it."""
        return self.taken < self.most or self.make_room()
