"""The route table in the kernel: a hash from keys to slots, and the slots in shared memory.

Rules of this file: a slot is complete before the hash names it, and is over before the hash forgets
it; then it rests. So a packet meets a route of its own or none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from relay.effects import NO_CHANNEL
from relay.forward.kernel.indexes import Indexes
from relay.forward.kernel.layout import LISTENER, ROUTE, ROUTE_KEY
from relay.forward.kernel.maps import Array, HashMap

_WORDS = ROUTE.size // 8
_BODY_AT = ROUTE.offsets["key"]
_LEG = slice(ROUTE.offsets["leg"], ROUTE.offsets["target_peer_family"])
_NO_CHANNEL = NO_CHANNEL.to_bytes(2)


class Entry(NamedTuple):
    """An installed route: where it is, and the number of the leg it charges."""

    slot: int
    leg: int


class RouteTable:
    """Installed routes by key.

    Routes that are there at the beginning are an earlier daemon's: they run until they expire, or
    until a route with their key is set.
    """

    def __init__(self, hashed: HashMap, slots: Array, now_ns: int) -> None:
        self._hashed = hashed
        self._slots = slots
        self._entries: dict[bytes, Entry] = {}
        self._adopted: dict[bytes, Entry] = dict(self._live_entries(now_ns))
        self._of_leg = Counter(entry.leg for entry in self._adopted.values())
        self._adopted_ports = _by_port(self._adopted)
        taken = [entry.slot for entry in self._adopted.values()]
        self._indexes = Indexes(slots.length, taken)

    def set(self, key: bytes, body: bytes, expires_ns: int, leg: int, now_ns: int) -> bool:
        """Install or replace a route.

        Args:
            key: its key; this object is kept, so that who keeps it as well pays for it once.
            body: `struct route` from its key on.
        Returns: whether there was room for it.
        """
        entry = self._entries.get(key) or self._adopted.get(key)
        if entry is not None and self._body(entry.slot) == body:
            self._slots.words[entry.slot * _WORDS] = expires_ns
            self._entries[key] = entry
            self._adopted.pop(key, None)
            return True
        slot = self._indexes.take(now_ns)
        if slot is None:
            return False
        at = slot * ROUTE.size
        self._slots.words[slot * _WORDS] = expires_ns
        self._slots.memory[at + _BODY_AT : at + ROUTE.size] = body
        if not self._hashed.set(key, slot):
            self._indexes.give(slot, now_ns)
            return False
        if entry is not None:
            self._adopted.pop(key, None)
            self._retire(entry, now_ns)
        self._entries[key] = Entry(slot, leg)
        self._of_leg[leg] += 1
        return True

    def drop(self, key: bytes, now_ns: int) -> list[int]:
        """Take a route away, at once; one that does not exist is no error.

        Returns: the number of its leg, where it was an earlier daemon's and no route uses that one
            any more.
        """
        entry = self._entries.pop(key, None)
        if entry is None:
            return self._drop_adopted([key], now_ns)
        self._remove(key, entry, now_ns)
        return []

    def drop_leg(self, leg: int, now_ns: int) -> None:
        """Take away whatever routes charge this leg: an earlier daemon's, as a rule none."""
        if not self.uses(leg):
            return
        for entries in (self._entries, self._adopted):
            for key in [key for key, entry in entries.items() if entry.leg == leg]:
                self._remove(key, entries.pop(key), now_ns)

    def drop_adopted(self, now_ns: int, only_expired: bool) -> list[int]:
        """Take away what an earlier daemon left and nobody has set since.

        Returns: the numbers of legs that no route uses any more.
        """
        over = [
            key
            for key, entry in self._adopted.items()
            if not only_expired or now_ns >= self._slots.words[entry.slot * _WORDS]
        ]
        return self._drop_adopted(over, now_ns)

    def drop_adopted_at(self, port: bytes, now_ns: int) -> list[int]:
        """Take away an earlier daemon's routes of one port, a key of the map `listeners`."""
        return self._drop_adopted(self._adopted_ports.pop(port, []), now_ns)

    def uses(self, leg: int) -> int:
        """How many routes charge this leg."""
        return self._of_leg[leg]

    def adopted_legs(self) -> frozenset[int]:
        """The numbers of legs that an earlier daemon's routes charge."""
        return frozenset(entry.leg for entry in self._adopted.values())

    @property
    def adopted(self) -> int:
        """How many routes are an earlier daemon's."""
        return len(self._adopted)

    def __len__(self) -> int:
        return len(self._entries) + len(self._adopted)

    def close(self) -> None:
        """Give the maps back; the routes stay in them."""
        self._hashed.close()
        self._slots.close()

    def _drop_adopted(self, keys: list[bytes], now_ns: int) -> list[int]:
        unused = []
        for key in keys:
            entry = self._adopted.pop(key, None)
            if entry is not None:
                self._remove(key, entry, now_ns)
                if not self.uses(entry.leg):
                    unused.append(entry.leg)
        return unused

    def _remove(self, key: bytes, entry: Entry, now_ns: int) -> None:
        self._retire(entry, now_ns)
        self._hashed.drop(key)

    def _retire(self, entry: Entry, now_ns: int) -> None:
        self._slots.words[entry.slot * _WORDS] = 0
        self._indexes.give(entry.slot, now_ns)
        self._of_leg[entry.leg] -= 1
        if not self._of_leg[entry.leg]:
            del self._of_leg[entry.leg]

    def _body(self, slot: int) -> bytes:
        at = slot * ROUTE.size
        return self._slots.memory[at + _BODY_AT : at + ROUTE.size]

    def _live_entries(self, now_ns: int) -> Iterator[tuple[bytes, Entry]]:
        """List the entries whose route has not run out, and remove the others."""
        for key, slot in list(self._hashed.items()):
            if slot < self._slots.length and self._slots.words[slot * _WORDS] > now_ns:
                route = self._slots.memory[slot * ROUTE.size : (slot + 1) * ROUTE.size]
                yield key, Entry(slot, int.from_bytes(route[_LEG], "little"))
            else:
                self._hashed.drop(key)


def _by_port(keys: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Those keys that hold no channel, by the relayed port in them."""
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for key in keys:
        _, server, _, port, channel, _ = ROUTE_KEY.unpack_from(key)
        if channel == _NO_CHANNEL:
            found[LISTENER.pack(server, port, 0)].append(key)
    return dict(found)
