"""Canaries: every spelling of an address, and the search for them in whatever was captured.

Rules: a spelling is a pattern over bytes. Patterns of 32 bits are *short*: in a megabyte of random
bytes one of them turns up by chance often enough to matter, so they are searched for in what is
not encrypted end to end (`clear_parts`), while all others are searched for in everything.
The XOR of an IPv6 address depends on a message's transaction id and is looked for message by
message.
"""

import base64
import binascii
import hashlib
import ipaddress
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from tests.lab.opaque import clear_parts

_COOKIE = bytes.fromhex("2112a442")
_SHORT_BYTES = 5

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write one address.

    Args:
        name: of the way, for the report of a hit.
        core: bytes of every match, looked for first because that is ten times as fast.
        pattern: matches it wherever it begins.
        short: it stands for no more than five bytes and turns up by chance in random bytes.
    """

    name: str
    core: bytes
    pattern: re.Pattern[bytes]
    short: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A canary where it must not be: the way it was spelt, and where in what was searched."""

    spelling: str
    item: int
    offset: int


@cache
def spellings(address: str) -> tuple[Spelling, ...]:
    """Every spelling of an address that does not depend on a STUN message around it."""
    ip = ipaddress.ip_address(address)
    found: dict[bytes, Spelling] = {}
    for name, literal in _literals(ip):
        short = len(literal) < _SHORT_BYTES
        found.setdefault(literal, Spelling(name, literal, re.compile(re.escape(literal)), short))
    of_packed = _base64(ip.packed, "base64 packed")
    return (*found.values(), *of_packed, *_base64(str(ip).encode(), "base64 text"))


def find(items: Iterable[bytes], *addresses: str) -> list[Hit]:
    """Where any spelling of any of the addresses stands in any of the items.

    Args:
        items: frames of a capture, lines of a log, bodies of answers.
        addresses: the canaries.
    """
    every = list(items)
    clear = [(number, part) for number, item in enumerate(every) for part in clear_parts(item)]
    hits: list[Hit] = []
    ways = [spelling for address in addresses for spelling in spellings(address)]
    hits += _search(list(enumerate(every)), [way for way in ways if not way.short])
    hits += _search(clear, [way for way in ways if way.short])
    for address in addresses:
        ip = ipaddress.ip_address(address)
        if ip.version == 6:
            for number, item in enumerate(every):
                hits += [Hit("xor v6", number, at) for at in _xored_v6(item, ip.packed)]
    return hits


def _search(items: list[tuple[int, bytes]], ways: list[Spelling]) -> list[Hit]:
    """Search all items at once: they are joined, and an offset is turned back into its item."""
    if not ways:
        return []
    joined = _SEPARATOR.join(part for _, part in items)
    hits = []
    for way in ways:
        if way.core not in joined:
            continue
        for match in way.pattern.finditer(joined):
            item, offset = _locate(items, match.start())
            hits.append(Hit(way.name, item, offset))
    return hits


_SEPARATOR = b"\xff|item|\xff"


def _locate(items: list[tuple[int, bytes]], at: int) -> tuple[int, int]:
    """The item and the offset in it of an offset in all of them joined."""
    for number, part in items:
        if at < len(part):
            return number, at
        at -= len(part) + len(_SEPARATOR)
    raise AssertionError("a hit lies outside of what was searched")


def _xored_v6(item: bytes, packed: bytes) -> Iterator[int]:
    """Where the item holds the address XORed with the id of a STUN message that it also holds.

    Spec: RFC 8489 section 14.2.
    """
    start = item.find(_COOKIE)
    while start >= 0:
        pad = item[start : start + 16]
        if len(pad) == 16:
            at = item.find(_xor(packed, pad))
            if at >= 0:
                yield at
        start = item.find(_COOKIE, start + 1)


def _literals(ip: IP) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every fixed spelling."""
    yield from _binary(ip)
    yield from _textual(ip)
    yield from _numeric(ip)
    yield from _hashes(ip)


def _binary(ip: IP) -> Iterator[tuple[str, bytes]]:
    packed = ip.packed
    yield "packed", packed
    yield "packed reversed", packed[::-1]
    if ip.version == 4:
        yield "xor cookie", _xor(packed, _COOKIE)
        yield "xor cookie reversed", _xor(packed, _COOKIE)[::-1]
        yield "xor reversed cookie", _xor(packed, _COOKIE[::-1])
    else:
        words = struct.unpack("!4I", packed)
        yield "packed, words little-endian", struct.pack("<4I", *words)
        yield (
            "xor cookie, first four bytes with the rest plain",
            (_xor(packed[:4], _COOKIE) + packed[4:]),
        )


def _textual(ip: IP) -> Iterator[tuple[str, bytes]]:
    for name, text in _texts(ip):
        yield name, text.encode()
        yield f"{name} reversed", text[::-1].encode()
        yield f"{name} utf-16", text.encode("utf-16-le")
        for case in (str.upper, str.lower):
            yield f"{name} percent-encoded", _percent_marks(text, case).encode()
            yield f"{name} all percent-encoded", _percent_all(text.encode(), case).encode()
    for case in (str.upper, str.lower):
        yield "packed percent-encoded", _percent_all(ip.packed, case).encode()


def _texts(ip: IP) -> Iterator[tuple[str, str]]:
    """The text forms: as one writes it, as DNS names and host names write it."""
    text, exploded = str(ip), ip.exploded
    mark = "." if ip.version == 4 else ":"
    yield "text", text
    yield "text upper", text.upper()
    yield "exploded", exploded
    for sign in "-_":
        yield f"text with {sign}", text.replace(mark, sign)
    yield (
        "reverse DNS",
        ip.reverse_pointer.rpartition(".in-addr")[0] or (ip.reverse_pointer.rpartition(".ip6")[0]),
    )
    if ip.version == 6:
        yield (
            "groups without leading zeros",
            ":".join(f"{int(group, 16):x}" for group in exploded.split(":")),
        )


def _numeric(ip: IP) -> Iterator[tuple[str, bytes]]:
    packed = ip.packed
    for order, data in (("big", packed), ("little", packed[::-1])):
        yield f"integer {order}-endian", str(int.from_bytes(data, "big")).encode()
        for case, digits in (("lower", data.hex()), ("upper", data.hex().upper())):
            yield f"hex {case} {order}-endian", digits.encode()
            for sign in ":- .":
                pairs = sign.join(digits[i : i + 2] for i in range(0, len(digits), 2))
                yield f"hex {case} {order}-endian with {sign!r}", pairs.encode()
    if ip.version == 4:
        yield "hex xor cookie", _xor(packed, _COOKIE).hex().encode()
        yield "octal", ".".join(f"0{octet:o}" for octet in packed).encode()


def _hashes(ip: IP) -> Iterator[tuple[str, bytes]]:
    """Unsalted hashes: whoever has one finds the address by trying all of them.

    The keys are those of ICE foundations: aioice hashes `type|transport|base` with MD5, libwebrtc
    concatenates type, base and protocol and takes the CRC-32.
    """
    text = str(ip)
    keys = [("text", text.encode()), ("packed", ip.packed)]
    for kind, transport in product(("host", "srflx", "prflx", "relay"), ("udp", "tcp")):
        keys.append((f"{kind}|{transport}|", f"{kind}|{transport}|{text}".encode()))
        keys.append((f"{kind}+{transport}", f"{kind}{text}{transport}".encode()))
    for name, key in keys:
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, key, usedforsecurity=False).digest()
            yield f"{algorithm} of {name}", digest
            yield f"{algorithm} of {name}, hex", digest.hex().encode()
            yield f"{algorithm} of {name}, base64", base64.b64encode(digest).rstrip(b"=")
        crc = binascii.crc32(key)
        yield f"crc32 of {name}", crc.to_bytes(4, "big")
        yield f"crc32 of {name}, little-endian", crc.to_bytes(4, "little")
        yield f"crc32 of {name}, hex", f"{crc:08x}".encode()
        yield f"crc32 of {name}, decimal", str(crc).encode()


def _base64(data: bytes, name: str) -> Iterator[Spelling]:
    """What base64 of any text around `data` must contain, for each of the three alignments.

    A character at either end that `data` decides in part becomes the set of those it can be.
    """
    for alphabet, marks in (("standard", b"+/"), ("url", b"-_")):
        for before in range(3):
            bits = "?" * 8 * before + "".join(f"{byte:08b}" for byte in data)
            bits += "?" * (-len(bits) % 6)
            groups = [bits[i : i + 6] for i in range(0, len(bits), 6)]
            known = [_characters(group, marks) for group in groups if set(group) != {"?"}]
            yield Spelling(
                f"{name}, {alphabet} alphabet, after {before} of 3",
                b"".join(characters for characters in known if len(characters) == 1),
                re.compile(b"".join(b"[" + re.escape(one) + b"]" for one in known)),
                len(data) < _SHORT_BYTES,
            )


def _characters(group: str, marks: bytes) -> bytes:
    """The base64 characters whose six bits agree with `group`."""
    table = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + marks
    return bytes(
        table[value]
        for value in range(64)
        if all(known in ("?", bit) for known, bit in zip(group, f"{value:06b}", strict=True))
    )


def _percent_marks(text: str, case: Callable[[str], str]) -> str:
    """Percent-encode what is neither a letter nor a digit."""
    return "".join(c if c.isalnum() else case(f"%{ord(c):02x}") for c in text)


def _percent_all(data: bytes, case: Callable[[str], str]) -> str:
    return "".join(case(f"%{byte:02x}") for byte in data)


def _xor(data: bytes, pad: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, pad, strict=True))
