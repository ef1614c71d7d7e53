"""Searches packets and texts for addresses, in bounded memory.

Rules of this file: short spellings are searched for in what is not encrypted end to end, all others
in everything. Many items are searched at once, because searching one large piece for hundreds of
patterns is ten times as fast as searching small ones.
"""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from relay.tools.audit.layers import COOKIE, Span, clear_spans
from relay.tools.audit.packets import Packet, parse
from relay.tools.audit.spellings import IP, Spelling, spellings

BATCH = 4 * 1024 * 1024
"""How many bytes are searched at once."""

_SEPARATOR = b"\xff|item|\xff"
_LONGEST_MESSAGE = 20 + 0xFFFF  # of STUN


class Item(NamedTuple):
    """One thing to search: a frame, a line, a body.

    Args:
        clear: the spans that are not encrypted end to end; None if all of it is clear.
        packet: the packet, if the item is one, for the report of a hit.
        seam: where the second of two TCP segments begins: a hit must lie on both sides of it. 0 for
            items that are not such a pair.
    """

    number: int
    data: bytes
    clear: Sequence[Span] | None = None
    packet: Packet | None = None
    seam: int = 0

    def is_crossed(self, start: int, end: int) -> bool:
        """Whether a hit between two offsets counts: where there is a seam, it must cross it."""
        return not self.seam or start < self.seam < end


class Hit(NamedTuple):
    """An address that was found: its index, its spelling, the item, and the offset in it."""

    address: int
    spelling: str
    is_short: bool
    item: Item
    offset: int


def item_of_packet(number: int, packet: Packet) -> Item:
    """Make the item that searches a packet."""
    return Item(number, packet.frame, clear_spans(packet), packet)


def search(items: Iterable[Item], addresses: Sequence[IP]) -> Iterator[Hit]:
    """Find every spelling of every address in every item.

    Args:
        items: taken one batch at a time.
    """
    for batch in _batches(items):
        long = _Joined([(item, 0, len(item.data)) for item in batch])
        short = _Joined([(item, *span) for item in batch for span in _clear(item)])
        for index, ip in enumerate(addresses):
            for spelling in spellings(ip):
                where = short if spelling.short else long
                yield from where.hits(index, spelling)
            if ip.version == 6:
                yield from _xored(batch, index, ip.packed)


def find(items: Iterable[bytes], *addresses: str) -> list[Hit]:
    """Search bytes, which may be Ethernet frames, for addresses that are given as text."""
    every = (_guessed(number, data) for number, data in enumerate(items))
    return list(search(every, [ipaddress.ip_address(address) for address in addresses]))


def _guessed(number: int, data: bytes) -> Item:
    """Make an item of bytes: a packet if they can be an Ethernet frame."""
    if data[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        return Item(number, data)
    packet = parse(data)
    return item_of_packet(number, packet) if packet.payload else Item(number, data)


def _clear(item: Item) -> Sequence[Span]:
    return ((0, len(item.data)),) if item.clear is None else item.clear


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item.data) + len(_SEPARATOR)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Joined:
    """Pieces of items joined into one run of bytes; an offset in it tells the piece."""

    def __init__(self, pieces: Sequence[tuple[Item, int, int]]) -> None:
        self._pieces = pieces
        self._data = _SEPARATOR.join(item.data[start:end] for item, start, end in pieces)
        self._starts: list[int] = []
        at = 0
        for _, start, end in pieces:
            self._starts.append(at)
            at += end - start + len(_SEPARATOR)

    def hits(self, address: int, spelling: Spelling) -> Iterator[Hit]:
        """Find every place of one spelling."""
        if spelling.core not in self._data:
            return
        for match in spelling.pattern.finditer(self._data):
            piece = bisect_right(self._starts, match.start()) - 1
            item, start, _ = self._pieces[piece]
            offset = start + match.start() - self._starts[piece]
            if item.is_crossed(offset, offset + len(match[0])):
                yield Hit(address, spelling.name, spelling.short, item, offset)


def _xored(batch: Iterable[Item], address: int, packed: bytes) -> Iterator[Hit]:
    """Find an IPv6 address that is XORed with the transaction id of the STUN message around it.

    Spec: RFC 8489 section 14.2.
    """
    for item in batch:
        for cookie in _places(item.data, COOKIE, 0, len(item.data)):
            pad = item.data[cookie : cookie + 16]
            if len(pad) == 16:
                xored = bytes(a ^ b for a, b in zip(packed, pad, strict=True))
                places = _places(item.data, xored, cookie + 16, cookie + _LONGEST_MESSAGE)
                for offset in islice(places, 1):
                    if item.is_crossed(cookie, offset + 16):
                        yield Hit(address, "xor v6", False, item, offset)


def _places(data: bytes, part: bytes, start: int, end: int) -> Iterator[int]:
    at = data.find(part, start, end)
    while at >= 0:
        yield at
        at = data.find(part, at + 1, end)
