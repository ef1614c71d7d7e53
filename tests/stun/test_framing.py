"""Frames of a stream, however it is cut. RFC 8489 section 6.2.2, RFC 8656 section 12.5."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import DropReason, Malformed
from relay.stun import channel_data
from relay.stun.framing import LONGEST_FRAME, Framer, pad
from tests.stun import vectors
from tests.stun.strategies import messages

FRAMES = [
    vectors.REQUEST,
    channel_data.build(0x4000, b""),
    channel_data.build(0x4001, b"a"),
    channel_data.build(0x4FFF, b"abcd"),
    vectors.LONG_TERM_REQUEST,
    channel_data.build(0x4000, b"abcdefg"),
    vectors.USERHASH_REQUEST[:2] + b"\0\0" + vectors.USERHASH_REQUEST[4:20],
]
STREAM = b"".join(pad(frame) for frame in FRAMES)

any_frame = messages | st.builds(
    channel_data.build, st.integers(0x4000, 0x7FFF), st.binary(max_size=300)
)


def run(pieces: list[bytes]) -> tuple[list[bytes], DropReason | None]:
    """All frames that a stream gives, and the fault that ends it; never more kept than allowed."""
    framer = Framer()
    frames = []
    for piece in pieces:
        try:
            for frame in framer.receive(piece):
                frames.append(frame)
        except Malformed as malformed:
            assert framer.kept == 0
            return frames, malformed.reason
        assert framer.kept < LONGEST_FRAME
    return frames, None


def cut(stream: bytes, *places: int) -> list[bytes]:
    return [stream[start:end] for start, end in itertools.pairwise((0, *places, len(stream)))]


def test_whole_frames_give_themselves() -> None:
    assert run([pad(frame) for frame in FRAMES]) == (FRAMES, None)


def test_all_coalesced_give_the_same() -> None:
    assert run([STREAM]) == (FRAMES, None)


def test_every_split_in_two_gives_the_same() -> None:
    for place in range(len(STREAM) + 1):
        assert run(cut(STREAM, place)) == (FRAMES, None)


def test_every_split_in_three_gives_the_same() -> None:
    stream = b"".join(pad(frame) for frame in FRAMES[1:4]) + pad(FRAMES[6]) + pad(FRAMES[2])
    expected = [*FRAMES[1:4], FRAMES[6], FRAMES[2]]
    for places in itertools.combinations_with_replacement(range(len(stream) + 1), 2):
        assert run(cut(stream, *places)) == (expected, None)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16])
def test_pieces_of_one_size_give_the_same(size: int) -> None:
    assert run(cut(STREAM, *range(size, len(STREAM), size))) == (FRAMES, None)


def test_every_truncation_gives_the_frames_that_are_whole() -> None:
    ends = list(itertools.accumulate(len(pad(frame)) for frame in FRAMES))
    for size in range(len(STREAM)):
        whole = sum(end <= size for end in ends)
        assert run([STREAM[:size]]) == (FRAMES[:whole], None)
        assert run(cut(STREAM[:size], *range(1, size))) == (FRAMES[:whole], None)


def test_channel_data_waits_for_its_padding() -> None:
    framer = Framer()
    assert list(framer.receive(b"\x40\x00\x00\x01a\0\0")) == []
    assert list(framer.receive(b"\0")) == [b"\x40\x00\x00\x01a"]
    assert framer.kept == 0


FAULTY = [
    (b"\xc0", DropReason.BAD_CHANNEL),
    (b"\x80", DropReason.BAD_CHANNEL),
    (b"\x90OST / HTTP/1.1\r\n", DropReason.BAD_CHANNEL),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", DropReason.BAD_LENGTH),
    (b"\xff" * 50, DropReason.BAD_CHANNEL),
    (b"\0\1\0\2", DropReason.BAD_LENGTH),
    (b"\0\1\0\4\x20", DropReason.BAD_COOKIE),
    (b"\0\1\0\4\x21\x12\xa4\x43", DropReason.BAD_COOKIE),
]


@pytest.mark.parametrize(("junk", "reason"), FAULTY)
def test_junk_is_malformed_after_the_frames_before_it_however_it_is_cut(
    junk: bytes, reason: DropReason
) -> None:
    stream = STREAM + junk
    assert run([stream]) == (FRAMES, reason)
    assert run(cut(stream, *range(1, len(stream)))) == (FRAMES, reason)
    for place in range(len(STREAM), len(stream)):
        assert run(cut(stream, place)) == (FRAMES, reason)


@pytest.mark.parametrize(
    ("fine", "bad", "reason"),
    [
        (b"", b"\x80", DropReason.BAD_CHANNEL),
        (b"\0\1\0", b"\3", DropReason.BAD_LENGTH),
        (b"\0\1\0\4\x21\x12", b"\xa5", DropReason.BAD_COOKIE),
    ],
)
def test_fault_is_found_at_its_first_byte(fine: bytes, bad: bytes, reason: DropReason) -> None:
    framer = Framer()
    assert list(framer.receive(fine)) == []
    with pytest.raises(Malformed) as caught:
        list(framer.receive(bad))
    assert caught.value.reason is reason


def test_broken_stream_stays_broken() -> None:
    framer = Framer()
    for data in (b"\xff", STREAM, b""):
        with pytest.raises(Malformed) as caught:
            list(framer.receive(data))
        assert caught.value.reason is DropReason.BAD_CHANNEL
        assert framer.kept == 0


@pytest.mark.parametrize(
    "frame",
    [
        channel_data.build(0x4000, bytes(0xFFFF)),
        b"\0\1\xff\xfc" + vectors.REQUEST[4:20] + bytes(0xFFFC),
    ],
    ids=["channel data", "STUN"],
)
def test_longest_frames_pass_and_no_more_than_one_is_kept(frame: bytes) -> None:
    stream = pad(frame) * 3
    assert len(pad(frame)) <= LONGEST_FRAME
    assert run(cut(stream, *range(4096, len(stream), 4096))) == ([frame] * 3, None)
    assert run(cut(stream, len(pad(frame)) - 1)) == ([frame] * 3, None)


@given(st.lists(any_frame, max_size=8), st.data())
def test_any_cut_of_any_stream_gives_its_frames(frames: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pad(frame) for frame in frames)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    assert run(cut(stream, *places)) == (frames, None)


@given(st.binary(max_size=400), st.data())
def test_any_cut_of_any_bytes_gives_what_they_give_whole(
    stream: bytes, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    assert run(cut(stream, *places)) == run([stream])


@pytest.mark.parametrize("frame", [vectors.REQUEST, pad(channel_data.build(0x4001, bytes(105)))])
def test_a_frame_over_the_longest_ends_the_stream_once_its_length_is_there(frame: bytes) -> None:
    framer = Framer(longest=len(frame))
    assert len(list(framer.receive(frame))) == 1
    framer.longest = len(frame) - 1
    assert list(framer.receive(frame[:3])) == []
    for more in (frame[3:4], b"", frame):
        with pytest.raises(Malformed, match="too_big"):
            list(framer.receive(more))
    assert framer.kept == 0
