"""Relayed ports: drawn at random, unique in their pool, rested before they are drawn again.

A closed call has a pool of its own, so a port only has to be unique within the call and a released
one cannot be named by anybody else. Where `peers` is wider the whole relay shares one pool, and a
released port rests, so that data meant for the last owner does not reach the next.
"""

from collections import deque
from collections.abc import Callable

Entropy = Callable[[int], bytes]

REST_S = 60.0
RESERVATION_S = 30.0
"""How long the upper port of an EVEN-PORT pair is kept: RFC 8656 section 7.2."""

_DRAWS = 64


class PortPool:
    """The ports of one pool that are taken, resting or reserved."""

    __slots__ = ("_ports", "_resting", "_taken")

    def __init__(self, ports: range, rests: bool) -> None:
        self._ports = ports
        self._taken: set[int] = set()
        self._resting: deque[tuple[float, int]] | None = deque() if rests else None

    @property
    def free(self) -> int:
        """How many ports could be drawn, those that have rested enough not yet counted."""
        return len(self._ports) - len(self._taken)

    def draw(self, entropy: Entropy, mono: float, *, even: bool = False, pair: bool = False) -> int:
        """Take a random free port; where asked an even one, or one whose upper neighbour is taken
        with it (RFC 8656 section 18.6).

        Returns: the port, or -1 where none is free.
        """
        self._wake(mono)
        size = len(self._ports)
        for _ in range(_DRAWS):
            port = self._ports[int.from_bytes(entropy(8)) % size]  # 64 bits: the bias is < 2**-47
            if self._is_free(port, even, pair):
                return self._take(port, pair)
        left = [port for port in self._ports if self._is_free(port, even, pair)]
        if not left:
            return -1
        return self._take(left[int.from_bytes(entropy(8)) % len(left)], pair)

    def release(self, port: int, mono: float) -> None:
        """Give a port back."""
        if self._resting is None:
            self._taken.discard(port)
        else:
            self._resting.append((mono + REST_S, port))

    def claim(self, port: int) -> bool:
        """Take this port, drawn elsewhere. Returns: whether it was free here."""
        if port in self._taken:
            return False
        self._taken.add(port)
        return True

    def _wake(self, mono: float) -> None:
        while self._resting and self._resting[0][0] <= mono:
            self._taken.discard(self._resting.popleft()[1])

    def _is_free(self, port: int, even: bool, pair: bool) -> bool:
        if port in self._taken or ((even or pair) and port % 2):
            return False
        return not pair or (port + 1 in self._ports and port + 1 not in self._taken)

    def _take(self, port: int, pair: bool) -> int:
        self._taken.add(port)
        if pair:
            self._taken.add(port + 1)
        return port
