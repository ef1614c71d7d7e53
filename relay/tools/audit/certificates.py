"""Reads the DTLS certificates that crossed in the clear: their digests, and the names in them.

Rules of this file: it takes any bytes, raises nothing, and its memory is bounded. DTLS 1.3 encrypts
certificates, so that only the fingerprints in session descriptions are left to compare.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from relay.tools.audit.layers import Kind, layers
from relay.tools.audit.packets import Packet

MAX_CERTIFICATE = 64 * 1024
MAX_PENDING = 256
"""How many handshake messages may wait for their other fragments."""

_HANDSHAKE, _CERTIFICATE = 22, 11
_STRINGS = {0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A}  # of X.680, as names in certificates use them
_GENERAL_NAMES = {0x81, 0x82, 0x86}  # mail address, DNS name, URI (RFC 5280 section 4.2.1.6)
_OCTETS = 0x04
_CONSTRUCTED = 0x20
_MAX_DEPTH, _MAX_NAMES = 16, 32
_SAYS_NOTHING = re.compile(r"WebRTC|[0-9a-fA-F]{8,}")
"""The names that libwebrtc, Firefox and aiortc give certificates that they make for one call."""


class Certificate(NamedTuple):
    """One certificate: its SHA-256, and the names in it that say something about its owner."""

    digest: bytes
    names: tuple[str, ...]


class CertificateReader:
    """Collects the certificates from the packets of one capture."""

    def __init__(self) -> None:
        self._pending: dict[tuple[object, ...], dict[int, bytes]] = {}

    def take(self, packet: Packet) -> list[Certificate]:
        """Take a packet. Returns: the certificates of its sender that it completes."""
        found = []
        for layer in layers(packet):
            if layer.kind is Kind.DTLS:
                for record in _handshakes(packet.frame[layer.start : layer.end]):
                    chain = self._assembled((*packet.sender, *packet.receiver), record)
                    found += [] if chain is None else _first_of(chain)
        return found

    def _assembled(self, flow: tuple[object, ...], record: bytes) -> bytes | None:
        """Join the fragments of a Certificate message; None until all are there."""
        total = int.from_bytes(record[1:4])
        offset, length = int.from_bytes(record[6:9]), int.from_bytes(record[9:12])
        if record[0] != _CERTIFICATE or total > MAX_CERTIFICATE or offset + length > total:
            return None
        key = (*flow, record[4:6], total)
        parts = self._pending.setdefault(key, {})
        if len(parts) < MAX_CERTIFICATE // 64:
            parts[offset] = record[12 : 12 + length]
        body = b""
        while part := parts.get(len(body)):
            body += part
        if len(body) == total:
            del self._pending[key]
            return body
        if len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        return None


def _handshakes(datagram: bytes) -> Iterator[bytes]:
    """Find handshake messages, or fragments, of epoch 0. Spec: RFC 6347 section 4.2.2."""
    at = 0
    while at + 13 <= len(datagram):
        epoch = datagram[at + 3 : at + 5]
        end = min(at + 13 + int.from_bytes(datagram[at + 11 : at + 13]), len(datagram))
        body = at + 13
        while datagram[at] == _HANDSHAKE and epoch == b"\0\0" and body + 12 <= end:
            stop = body + 12 + int.from_bytes(datagram[body + 9 : body + 12])
            yield datagram[body:stop]
            body = stop
        at = end


def _first_of(chain: bytes) -> list[Certificate]:
    """Read the first certificate of a chain, the sender's own. Spec: RFC 5246 section 7.4.2."""
    length = int.from_bytes(chain[3:6])
    der = chain[6 : 6 + length]
    if not der or len(der) < length:
        return []
    return [Certificate(hashlib.sha256(der).digest(), _names(der))]


def _names(der: bytes) -> tuple[str, ...]:
    """Find the issuer's, the subject's and the alternative names that say something."""
    names = dict.fromkeys(text for text in _texts(der) if not _SAYS_NOTHING.fullmatch(text))
    return tuple(names)[:_MAX_NAMES]


def _texts(der: bytes) -> Iterator[str]:
    waiting = [(0, len(der), 0)]
    while waiting:
        at, end, depth = waiting.pop()
        while at + 2 <= end:
            tag, start, stop = _tlv(der, at, end)
            is_nested = tag & _CONSTRUCTED or (tag == _OCTETS and der[start : start + 1] == b"0")
            if tag in _STRINGS or tag in _GENERAL_NAMES:
                yield der[start : min(stop, start + 256)].decode(errors="replace")
            elif is_nested and depth < _MAX_DEPTH:
                waiting.append((start, stop, depth + 1))
            at = stop


def _tlv(der: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Read tag, start and end of the value at `at`; a longer value ends with its parent."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = int.from_bytes(der[start : start + octets])
        start += octets
    return der[at], min(start, end), min(start + length, end)
