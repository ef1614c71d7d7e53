"""Frames as the generator writes them: what a kernel checks must be right."""

import struct

from benchmarks.frames import ETHERNET_AT, Headers
from benchmarks.topology import LINKS, RELAY_ADDRESS
from tests.kit.frames import internet_checksum

_IP_AT = ETHERNET_AT + 14


def test_the_sum_is_that_of_rfc_1071_section_3() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


def test_the_ip_header_sums_to_all_ones() -> None:
    frame = Headers(LINKS[0]).frame(1024, b"x" * 164, RELAY_ADDRESS)
    header = frame[_IP_AT : _IP_AT + 20]
    assert internet_checksum(header) == 0
    assert struct.unpack("!H", header[2:4])[0] == len(frame) - _IP_AT


def test_the_udp_checksum_is_right_once_the_kernel_has_completed_it() -> None:
    payload = bytes(range(164))
    frame = Headers(LINKS[1]).frame(0xABCD, payload, RELAY_ADDRESS)
    addresses, udp = frame[_IP_AT + 12 : _IP_AT + 20], frame[_IP_AT + 20 :]
    # What the header of virtio asks for: sum from csum_start, complement, store at csum_offset.
    _, _, _, _, start, offset = struct.unpack("=BBHHHH", frame[:ETHERNET_AT])
    assert (start, offset) == (14 + 20, 6)
    completed = internet_checksum(udp).to_bytes(2, "big")
    udp = udp[:offset] + completed + udp[offset + 2 :]
    pseudo = addresses + struct.pack("!HH", 17, len(udp))
    assert internet_checksum(pseudo + udp) == 0
    assert udp[8:] == payload
    assert udp[:2] == b"\xab\xcd"


def test_frames_of_one_length_differ_only_in_source_port_and_payload() -> None:
    headers = Headers(LINKS[0])
    one, other = (headers.frame(port, bytes(8), RELAY_ADDRESS) for port in (1024, 1025))
    port_at = _IP_AT + 20
    assert one[:port_at] == other[:port_at]
    assert one[port_at + 2 :] == other[port_at + 2 :]
