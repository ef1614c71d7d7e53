"""What a first byte means, as the RFCs draw it."""

import pytest

from relay.stun import channel_data, demux

PROTOCOLS = {
    "STUN": demux.STUN,
    "DTLS": demux.DTLS,
    "ChannelData": demux.CHANNELS,
    "RTP": demux.RTP,
}


@pytest.mark.parametrize(
    ("first", "last", "protocol"),
    [
        (0, 3, "STUN"),
        (4, 19, None),  # ZRTP, and nothing
        (20, 63, "DTLS"),
        (64, 79, "ChannelData"),
        (80, 127, "ChannelData"),  # RFC 5766 section 11
        (128, 191, "RTP"),
        (192, 255, None),
    ],
)
def test_first_bytes_are_those_of_rfc_7983_section_7(
    first: int, last: int, protocol: str | None
) -> None:
    for byte in range(first, last + 1):
        meant = [name for name, those in PROTOCOLS.items() if byte in those]
        assert meant == ([protocol] if protocol else [])


def test_a_stun_message_may_begin_with_any_byte_that_has_two_zero_bits() -> None:
    assert list(demux.MAYBE_STUN) == [byte for byte in range(256) if byte & 0xC0 == 0]


def test_tls_is_told_from_stun_and_channel_data() -> None:
    assert demux.TLS_HANDSHAKE in demux.TLS
    assert not {*demux.TLS} & {*demux.STUN, *demux.CHANNELS}


def test_channel_numbers_are_those_that_begin_so() -> None:
    assert (channel_data.FIRST_CHANNEL, channel_data.LAST_CHANNEL) == (0x4000, 0x7FFF)
