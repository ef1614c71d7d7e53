"""What the first byte of a datagram or of a stream's frame means: RFC 7983 and RFC 8656 section 12.

Rules of this file: each range stands here and nowhere else in Python; a loop over packets compares
with the last byte of one. The kernel's program has its own numbers (forward/kernel/fastpath.bpf.c),
which the cases of tests/kernel hold to these.
"""

STUN = range(4)
"""Where STUN shares a port with media, that is on a relayed port: RFC 7983 section 7."""

MAYBE_STUN = range(0x40)
"""The two zero bits of RFC 8489 section 5. A gate takes all of these for STUN: what else strangers
begin so, DTLS among it, shall not have a rate of its own.
"""

TLS = range(20, 24)
"""A TLS record of any type: RFC 8446 section 5.1."""

TLS_HANDSHAKE = 22
"""The record that a TLS connection begins with: RFC 8446 section 5.1."""

DTLS = range(20, 64)
"""RFC 7983 section 7."""

CHANNELS = range(0x40, 0x80)
"""ChannelData: the upper half of its channel number.

Deviates: RFC 8656 section 12 keeps 0x40..=0x4F of what RFC 5766 section 11 allowed. Clients of its
time, coturn's among them, draw from all of it, and here no other protocol shares the port.
"""

RTP = range(128, 192)
"""RTP and RTCP: RFC 7983 section 7."""
