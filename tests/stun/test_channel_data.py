"""ChannelData over datagrams. RFC 8656 section 12.4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import DropReason, Malformed
from relay.stun import channel_data


def fault_of(datagram: bytes) -> DropReason:
    with pytest.raises(Malformed) as caught:
        channel_data.parse(datagram)
    return caught.value.reason


def test_message_is_split_into_channel_and_payload() -> None:
    channel, payload = channel_data.parse(b"\x40\x01\x00\x03abc")
    assert (channel, bytes(payload)) == (0x4001, b"abc")


@pytest.mark.parametrize("trailer", [b"\0", b"\0\0\0", b"trailer"])
def test_what_follows_the_payload_is_not_part_of_it(trailer: bytes) -> None:
    _, payload = channel_data.parse(b"\x40\x01\x00\x03abc" + trailer)
    assert bytes(payload) == b"abc"


@pytest.mark.parametrize("channel", [0x4000, 0x4FFF, 0x5000, 0x7FFF])
def test_channels_at_the_ends_of_the_range(channel: int) -> None:
    assert channel_data.parse(channel.to_bytes(2) + b"\0\0")[0] == channel


@pytest.mark.parametrize("channel", [0x0000, 0x3FFF, 0x8000, 0xFFFF])
def test_channel_outside_the_range_is_malformed(channel: int) -> None:
    assert fault_of(channel.to_bytes(2) + b"\0\0") is DropReason.BAD_CHANNEL


def test_every_truncation_is_malformed() -> None:
    whole = channel_data.build(0x4000, b"payload")
    for size in range(len(whole)):
        expected = DropReason.TOO_SHORT if size < 4 else DropReason.BAD_LENGTH
        assert fault_of(whole[:size]) is expected


def test_payload_is_a_view_of_the_datagram() -> None:
    buffer = bytearray(b"\x40\x01\x00\x03abc")
    _, payload = channel_data.parse(memoryview(buffer))
    buffer[4:] = b"xyz"
    assert bytes(payload) == b"xyz"


@given(channel=st.integers(0x4000, 0x7FFF), payload=st.binary(max_size=2000))
def test_round_trip(channel: int, payload: bytes) -> None:
    datagram = channel_data.build(channel, payload)
    assert len(datagram) == 4 + len(payload)
    found, data = channel_data.parse(datagram)
    assert (found, bytes(data)) == (channel, payload)


def test_longest_payload() -> None:
    datagram = channel_data.build(0x4000, memoryview(bytes(0xFFFF)))
    assert len(channel_data.parse(datagram)[1]) == 0xFFFF


@given(st.binary(max_size=100))
def test_any_bytes_give_channel_data_or_malformed(datagram: bytes) -> None:
    try:
        channel, payload = channel_data.parse(datagram)
    except Malformed as malformed:
        reason = malformed.reason
    else:
        assert datagram.startswith(channel_data.build(channel, payload))
        return
    assert reason in (DropReason.TOO_SHORT, DropReason.BAD_CHANNEL, DropReason.BAD_LENGTH)
