"""Makes every spelling of an address: text, numbers, bytes, XORed, encoded, hashed.

Rules of this file: a spelling is a pattern over bytes. Patterns of 32 bits are *short*: in a
megabyte of random bytes one of them turns up by chance often enough to matter. The XOR of an IPv6
address depends on the transaction id of a message, so `search.py` makes it.
"""

import base64
import binascii
import hashlib
import ipaddress
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from relay.tools.audit.layers import COOKIE

_SHORT_BYTES = 5

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write one address.

    Args:
        name: what a report calls this spelling.
        core: bytes in every match; searching for them first is ten times as fast.
        pattern: matches the address in this spelling.
        short: a match has fewer than five bytes, so random bytes may match by chance.
    """

    name: str
    core: bytes
    pattern: re.Pattern[bytes]
    short: bool


@cache
def spellings(ip: IP) -> tuple[Spelling, ...]:
    """Make every spelling of an address that does not depend on a STUN message around it."""
    found: dict[bytes, Spelling] = {}
    for name, literal in literals(ip):
        short = len(literal) < _SHORT_BYTES
        pattern = re.compile(_bounded(name, re.escape(literal), ip.version))
        found.setdefault(literal, Spelling(name, literal, pattern, short))
    of_packed = _base64(ip.packed, "base64 packed")
    return (*found.values(), *of_packed, *_base64(str(ip).encode(), "base64 text"))


_WHOLE = re.compile(
    "(text( upper| with .)?|exploded|reverse DNS|groups.*|octal)( reversed)?|integer.*|.*decimal"
)
"""Names of spellings of digits alone, which mean something else within more digits."""


def _bounded(name: str, pattern: bytes, version: int) -> bytes:
    """Keep a pattern from matching within a longer number: 10.0.0.1 does not stand in 10.0.0.12."""
    if not _WHOLE.fullmatch(name):
        return pattern
    is_hex = name.startswith("groups") or (version == 6 and not name.startswith("integer"))
    digit = b"[0-9A-Fa-f]" if is_hex and not name.endswith("decimal") else b"[0-9]"
    return b"(?<!%b)%b(?!%b)" % (digit, pattern, digit)


def literals(ip: IP) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every fixed spelling; some are equal."""
    yield from _binary(ip)
    yield from _textual(ip)
    yield from _numeric(ip)
    yield from _hashes(ip)


def _binary(ip: IP) -> Iterator[tuple[str, bytes]]:
    packed = ip.packed
    yield "packed", packed
    yield "packed reversed", packed[::-1]
    if ip.version == 4:
        yield "xor cookie", _xor(packed, COOKIE)
        yield "xor cookie reversed", _xor(packed, COOKIE)[::-1]
        yield "xor reversed cookie", _xor(packed, COOKIE[::-1])
    else:
        words = struct.unpack("!4I", packed)
        yield "packed, words little-endian", struct.pack("<4I", *words)
        yield (
            "xor cookie, first four bytes with the rest plain",
            (_xor(packed[:4], COOKIE) + packed[4:]),
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
    """Yield the text forms: numeric ones, and those in DNS names and host names."""
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
        yield "hex xor cookie", _xor(packed, COOKIE).hex().encode()
        yield "octal", ".".join(f"0{octet:o}" for octet in packed).encode()
        high, low = struct.unpack("!HH", packed)
        yield "groups of IPv6", f":{high:x}:{low:x}".encode()
        yield "groups of IPv6 upper", f":{high:X}:{low:X}".encode()


def _hashes(ip: IP) -> Iterator[tuple[str, bytes]]:
    """Yield unsalted hashes: whoever has one finds the address by trying all addresses.

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
    """Yield what base64 of any text around `data` must contain, for each of the three alignments.

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
