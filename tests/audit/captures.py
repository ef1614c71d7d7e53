"""Captures made by hand: frames of UDP, and the files that hold them."""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from relay.address import ClientAddress, PeerAddress
from relay.stun.attributes import Attribute, Pair
from relay.stun.message import Class, Method, build
from tests.kit import frames
from tests.kit.frames import End, Header

ALICE, ALICE_PUBLIC = "192.168.17.5", "198.51.100.23"
BOB, BOB_PUBLIC = "10.61.7.40", "203.0.113.190"
SERVER, RELAYED = "192.0.2.77", "192.0.2.78"
ID = bytes(range(100, 112))


def udp(
    source: str, destination: str, payload: bytes, ports: tuple[int, int] = (40000, 3478)
) -> bytes:
    """An Ethernet frame with one datagram in it, IPv4 or IPv6."""
    ends = End(source, ports[0]), End(destination, ports[1])
    return ethernet(source, destination, 17, frames.udp(*ends, payload, 0))


def tcp(source: str, destination: str, payload: bytes) -> bytes:
    """An Ethernet frame with one segment in it."""
    return segment(source, destination, payload, 1)


def segment(
    source: str, destination: str, payload: bytes, sequence: int, port: int = 40000
) -> bytes:
    """A segment at that place of its stream."""
    head = struct.pack("!HHIIBBHHH", port, 3478, sequence, 1, 0x50, 0x18, 1000, 0, 0)
    return ethernet(source, destination, 6, head + payload)


def ethernet(source: str, destination: str, protocol: int, body: bytes) -> bytes:
    """An Ethernet frame around an IP payload."""
    return frames.frame(ip(source, destination, protocol, body))


def ip(source: str, destination: str, protocol: int, body: bytes) -> bytes:
    """An IP packet."""
    ends = End(source, 0), End(destination, 0)
    if ":" in source:
        return frames.ipv6(*ends, body, Header(), next_header=protocol)
    return frames.ipv4(*ends, body, Header(), protocol=protocol)


def stun(method: Method, cls: Class, **addresses: str) -> bytes:
    """A STUN message with address attributes, named in lower case."""
    attributes: list[Pair] = []
    for name, text in addresses.items():
        role = ClientAddress if "mapped" in name else PeerAddress
        attributes.append((getattr(Attribute, name.upper()), role.parse(text, 50000)))
    return build(method, cls, ID, attributes)


def pcap(
    packets: Iterable[bytes], link: int = 1, order: str = "<", *, nanoseconds: bool = False
) -> bytes:
    """A classic capture, a frame per millisecond."""
    magic, tick = (0xA1B23C4D, 1_000_000) if nanoseconds else (0xA1B2C3D4, 1_000)
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for number, frame in enumerate(packets):
        record = (1_700_000_000, number * tick, len(frame), len(frame))
        parts += [struct.pack(f"{order}IIII", *record), frame]
    return b"".join(parts)


def pcapng(packets: Iterable[tuple[bytes, int]], link: int = 1, order: str = "<") -> bytes:
    """A capture of the newer format; each frame with its direction, 1 in, 2 out, 0 unknown."""
    section = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    resolution = struct.pack(f"{order}HHB3x", 9, 1, 9)  # nanoseconds
    interface = struct.pack(f"{order}HHI", link, 0, 0) + resolution + bytes(4)
    parts = [_block(0x0A0D0D0A, section, order), _block(1, interface, order)]
    parts.append(_block(0x0BAD, b"somebody's own", order))
    for number, (frame, direction) in enumerate(packets):
        stamp = 1_700_000_000 * 10**9 + number
        head = struct.pack(f"{order}5I", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame))
        flags = struct.pack(f"{order}HHI", 2, 4, direction) + bytes(4)
        parts.append(_block(6, head + frame + bytes(-len(frame) % 4) + flags, order))
    return b"".join(parts)


def statistics(dropped: int, order: str = "<") -> bytes:
    """A block that says how many packets an interface's capture has lost so far."""
    option = struct.pack(f"{order}HHQ", 5, 8, dropped) + bytes(4)
    return _block(5, bytes(12) + option, order)


def obsolete(frame: bytes, order: str = "<") -> bytes:
    """A frame in the block that the enhanced one has taken the place of."""
    head = struct.pack(f"{order}HH4I", 0, 0, 0, 0, len(frame), len(frame))
    return _block(2, head + frame, order)


def _block(kind: int, body: bytes, order: str) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def write(directory: Path, **files: Sequence[bytes] | str | bytes) -> list[Path]:
    """Files by name, `_` for a dot: captures of frames, texts, or bytes."""
    paths = []
    for name, content in files.items():
        path = directory / name.replace("_", ".")
        if isinstance(content, str):
            path.write_text(content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else pcap(content))
        paths.append(path)
    return paths


def turn_client(own: str, *rest: bytes) -> list[bytes]:
    """What a client that allocates has in its capture, masked by the relay; then `rest`."""
    answer = stun(
        Method.ALLOCATE,
        Class.SUCCESS,
        xor_relayed_address=RELAYED,
        xor_mapped_address=RELAYED,
    )
    return [
        udp(own, SERVER, stun(Method.ALLOCATE, Class.REQUEST)),
        udp(SERVER, own, answer, (3478, 40000)),
        *rest,
    ]
