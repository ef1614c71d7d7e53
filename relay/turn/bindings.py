"""How one allocation sends to a sibling: on a channel that it has bound, or without."""

from typing import TYPE_CHECKING

from relay.address import PeerAddress

if TYPE_CHECKING:
    from relay.turn.table import Allocation


class Binding:
    """A channel of one allocation: where it leads and until when (monotonic seconds).

    `target` is who has, or had, the peer's address; None where nobody has had it so far.
    """

    __slots__ = ("channel", "expires", "is_routed", "peer", "target")

    def __init__(
        self, channel: int, peer: PeerAddress, target: "Allocation | None", expires: float
    ) -> None:
        self.channel = channel
        self.peer = peer
        self.target = target
        self.expires = expires
        self.is_routed = False


class Demand:
    """What one client sends in one way to one sibling, where no two channels join them.

    `expires` is its route's; 0 without one.
    """

    __slots__ = ("expires", "packets", "target")

    def __init__(self, target: "Allocation") -> None:
        self.target = target
        self.packets = 0
        self.expires = 0.0
