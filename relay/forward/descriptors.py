"""How many sockets clients may take, so that whatever else the process opens finds a descriptor."""


class Descriptors:
    """A count of sockets that clients cause: their connections, and relayed ports.

    Args:
        most: at most so many at a time.
    """

    def __init__(self, most: int = 1 << 30) -> None:
        self.most = most
        self.taken = 0

    def has_room(self) -> bool:
        """Whether one more may be taken."""
        return self.taken < self.most
