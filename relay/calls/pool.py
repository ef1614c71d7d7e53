"""Relayed ports: drawn at random, unique in their pool.

A closed call has a pool of its own, so a port only has to be unique within the call and a released
one cannot be named by anybody else. Where `peers` is wider, and for ports that are sockets, the
whole relay shares one pool, and a released port rests, so that data meant for the last owner does
not reach the next. A port counts against the leg that took it until it can be drawn again.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from relay.effects import LegKey

Entropy = Callable[[int], bytes]

REST_S = 60.0
RESERVATION_S = 30.0
"""How long the upper port of an EVEN-PORT pair is kept: RFC 8656 section 7.2."""

_DRAWS = 64


class Pool(Protocol):
    """Ports to draw from."""

    def draw(
        self,
        entropy: Entropy,
        mono: float,
        owner: LegKey | None = None,
        *,
        even: bool = False,
        pair: bool = False,
    ) -> int:
        """Take a random free port; where asked an even one, or one whose upper neighbour is taken
        with it (RFC 8656 section 18.6).

        Returns: the port, or -1 where none is free.
        """
        ...

    def release(self, port: int, mono: float) -> None:
        """Give a port back."""
        ...

    def count(self, owner: LegKey, mono: float) -> int:
        """How many ports a leg holds, has reserved, or has left so lately that they rest."""
        ...


class PortPool:
    """The relay's ports. Free ones are in bags, so that a draw takes as long whatever is left."""

    def __init__(self, ports: range) -> None:
        self._ports = ports
        evens = range(ports.start + ports.start % 2, ports.stop, 2)
        self._free = _Bag(ports, ports)
        self._even = _Bag(ports, evens)
        self._pairs = _Bag(ports, range(evens.start, ports.stop - 1, 2))
        self._owners: dict[int, LegKey] = {}
        self._counts: dict[LegKey, int] = {}
        self._resting: deque[tuple[float, int]] = deque()

    @property
    def free(self) -> int:
        """How many ports could be drawn, those that have rested enough not yet counted."""
        return len(self._free)

    def count(self, owner: LegKey, mono: float) -> int:
        """Count a leg's ports, those that rest too: see `Pool.count`."""
        self._wake(mono)
        return self._counts.get(owner, 0)

    def draw(
        self,
        entropy: Entropy,
        mono: float,
        owner: LegKey | None = None,
        *,
        even: bool = False,
        pair: bool = False,
    ) -> int:
        """Take a random free port, or give -1: see `Pool.draw`.

        Without an owner the port counts against nobody.
        """
        self._wake(mono)
        bag = self._pairs if pair else self._even if even else self._free
        port = bag.pick(entropy)
        if port >= 0:
            self._take(port, owner)
        if port >= 0 and pair:
            self._take(port + 1, owner)
        return port

    def draw_with(self, call: "CallPorts", entropy: Entropy, mono: float, owner: LegKey) -> int:
        """Take a random port that is free in a call's pool too, here and there; or return -1."""
        self._wake(mono)
        tries = (self._free.pick(entropy) for _ in range(_DRAWS))
        port = next((port for port in tries if call.is_free(port)), -1)
        if port < 0:  # as good as all that are left here are the call's there: few, as its legs are
            left = [each for each in self._free if call.is_free(each)]
            port = left[_below(len(left), entropy)] if left else -1
        if port >= 0:
            self._take(port, owner)
            call.take(port, owner)
        return port

    def release(self, port: int, mono: float) -> None:
        """Give a port back, to be drawn again when it has rested."""
        self._resting.append((mono + REST_S, port))

    def _wake(self, mono: float) -> None:
        while self._resting and self._resting[0][0] <= mono:
            self._give(self._resting.popleft()[1])

    def _take(self, port: int, owner: LegKey | None) -> None:
        self._free.remove(port)
        self._even.remove(port)
        self._pairs.remove(port - port % 2)
        if owner is not None:
            self._owners[port] = owner
            self._counts[owner] = self._counts.get(owner, 0) + 1

    def _give(self, port: int) -> None:
        self._free.add(port)
        if port % 2 == 0:
            self._even.add(port)
        lower = port - port % 2
        if lower in self._free and lower + 1 in self._free:
            self._pairs.add(lower)
        owner = self._owners.pop(port, None)
        if owner is not None:
            self._counts[owner] -= 1
            if not self._counts[owner]:
                del self._counts[owner]


class CallPorts:
    """The ports of one call: the few that are taken, of as many as the relay has."""

    __slots__ = ("_owners", "_ports")

    def __init__(self, ports: range) -> None:
        self._ports = ports
        self._owners: dict[int, LegKey | None] = {}

    def count(self, owner: LegKey, mono: float) -> int:
        """Count a leg's ports; in a call's pool none rests: see `Pool.count`."""
        del mono
        return sum(each == owner for each in self._owners.values())

    def is_free(self, port: int) -> bool:
        """Whether a port could be drawn."""
        return port in self._ports and port not in self._owners

    def draw(
        self,
        entropy: Entropy,
        mono: float,
        owner: LegKey | None = None,
        *,
        even: bool = False,
        pair: bool = False,
    ) -> int:
        """Take a random free port of the call, or give -1: see `Pool.draw`."""
        del mono
        step = 2 if even or pair else 1
        start = self._ports.start
        ports = range(start + start % step, self._ports.stop, step)
        port = self._find(ports, entropy, pair=pair)
        if port >= 0:
            self.take(port, owner)
        if port >= 0 and pair:
            self.take(port + 1, owner)
        return port

    def take(self, port: int, owner: LegKey | None) -> None:
        """Take this one."""
        self._owners[port] = owner

    def release(self, port: int, mono: float) -> None:
        """Give a port back, to be drawn again at once."""
        del mono
        del self._owners[port]

    def _find(self, ports: range, entropy: Entropy, *, pair: bool) -> int:
        for _ in range(_DRAWS if ports else 0):
            port = ports[_below(len(ports), entropy)]
            if self.is_free(port) and not (pair and not self.is_free(port + 1)):
                return port
        # Most are taken: so there are few, since what legs may hold is bounded.
        left = [p for p in ports if self.is_free(p) and not (pair and not self.is_free(p + 1))]
        return left[_below(len(left), entropy)] if left else -1


class _Bag:
    """Some of the ports, to draw from at random; every step takes the same time."""

    __slots__ = ("_at", "_items", "_low")

    def __init__(self, ports: range, items: range) -> None:
        self._low = ports.start
        self._items = array("H", items)
        self._at = array("i", [-1]) * len(ports)
        if items:
            first, after = items.start - self._low, items.stop - self._low
            self._at[first : after : items.step] = array("i", range(len(items)))

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[int]:
        return iter(self._items)

    def __contains__(self, port: int) -> bool:
        return 0 <= port - self._low < len(self._at) and self._at[port - self._low] >= 0

    def pick(self, entropy: Entropy) -> int:
        """One of them, or -1 where there is none."""
        return self._items[_below(len(self._items), entropy)] if self._items else -1

    def add(self, port: int) -> None:
        """Put one in that is not there."""
        self._at[port - self._low] = len(self._items)
        self._items.append(port)

    def remove(self, port: int) -> None:
        """Take one out, if it is there; the last one takes its place."""
        if port not in self:
            return
        index, last = self._at[port - self._low], self._items.pop()
        if last != port:
            self._items[index] = last
            self._at[last - self._low] = index
        self._at[port - self._low] = -1


def _below(count: int, entropy: Entropy) -> int:
    return int.from_bytes(entropy(8)) % count  # 64 bits: the bias is < 2**-47
