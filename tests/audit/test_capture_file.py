"""Captures are read whole, whatever wrote them, and any bytes are read or refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.tools.audit.capture_file import CaptureReader, Frame, Unreadable
from tests.audit import captures

FRAMES = [captures.udp(captures.ALICE, captures.SERVER, bytes(size)) for size in (0, 1, 2, 1200)]
DIRECTED = [(frame, number % 3) for number, frame in enumerate(FRAMES)]

FILES: dict[str, Callable[[], bytes]] = {
    "pcap": lambda: captures.pcap(FRAMES),
    "pcap-big-endian": lambda: captures.pcap(FRAMES, order=">"),
    "pcap-nanoseconds": lambda: captures.pcap(FRAMES, nanoseconds=True),
    "pcapng": lambda: captures.pcapng(DIRECTED),
    "pcapng-big-endian": lambda: captures.pcapng(DIRECTED, order=">"),
    "pcapng-sections": lambda: (
        captures.pcapng(DIRECTED[:2]) + captures.pcapng(DIRECTED[2:], order=">")
    ),
}


def _read(data: bytes, size: int = 1 << 20) -> list[Frame]:
    reader = CaptureReader()
    frames: list[Frame] = []
    for at in range(0, len(data), size):
        frames += reader.feed(data[at : at + size])
    return frames


@pytest.mark.parametrize("kind", FILES)
def test_every_frame_is_read(kind: str) -> None:
    frames = _read(FILES[kind]())
    assert [frame.data for frame in frames] == FRAMES
    assert {frame.link for frame in frames} == {1}
    assert not any(frame.is_cut for frame in frames)
    assert 1_700_000_000 <= frames[0].time_s <= frames[-1].time_s < 1_700_000_001


def test_a_direction_is_read_where_there_is_one() -> None:
    frames = _read(FILES["pcapng"]())
    assert [frame.is_outgoing for frame in frames] == [None, False, True, None]
    assert {frame.is_outgoing for frame in _read(FILES["pcap"]())} == {None}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_the_size_of_the_pieces_makes_no_difference(kind: str, size: int) -> None:
    assert _read(FILES[kind](), size) == _read(FILES[kind]())


@pytest.mark.parametrize("kind", FILES)
def test_a_capture_that_is_cut_has_its_first_frames(kind: str) -> None:
    data = FILES[kind]()
    for end in range(0, len(data), 5):
        reader = CaptureReader()
        frames = [frame.data for frame in reader.feed(data[:end])]
        assert frames == FRAMES[: len(frames)]


def test_a_frame_that_was_cut_short_says_so() -> None:
    data = bytearray(captures.pcap([b"x" * 60]))
    data[36:40] = (1500).to_bytes(4, "little")
    (frame,) = _read(bytes(data))
    assert frame.is_cut


@pytest.mark.parametrize(
    "data",
    [
        bytes(24),
        captures.pcap([])[:24] + bytes(8) + b"\xff" * 8,
        captures.pcapng([])[:8] + bytes(20),
        captures.pcapng([])[:28] + bytes(12),
        captures.pcapng([])[:28] + b"\x06\0\0\0\x10\0\0\0" + bytes(8),
        captures.pcapng([])[:28] + b"\x06\0\0\0\xff\xff\xff\xff" + bytes(8),
        captures.pcapng([])[:28] + b"\x06\0\0\0\x20\0\0\0" + bytes(24),
    ],
)
def test_what_is_no_capture_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        _read(data)


@given(st.binary(max_size=400), st.sampled_from([b"", *(make()[:64] for make in FILES.values())]))
def test_any_bytes_are_read_or_unreadable(data: bytes, head: bytes) -> None:
    try:
        _read(head + data)
    except Unreadable:
        return


@given(st.sampled_from(list(FILES)), st.data())
def test_any_damage_is_read_or_unreadable(kind: str, draw: st.DataObject) -> None:
    data = bytearray(FILES[kind]())
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, 200))] = draw.draw(st.integers(0, 255))
    try:
        _read(bytes(data))
    except Unreadable:
        return
