"""Official test vectors, byte for byte, with their provenance.

Four bytes to a line or group, as the RFCs print them. Each proves itself: its CRC-32 and its HMAC
are computed over all of it (`test_vectors.py`).
"""

from typing import NamedTuple


class Vector(NamedTuple):
    """One message and the key of its integrity attribute."""

    name: str
    datagram: bytes
    key: bytes


SHORT_TERM_PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
"""RFC 5769 sections 2.1 to 2.3."""

USERNAME = "\u30de\u30c8\u30ea\u30c3\u30af\u30b9"
PASSWORD = "TheMatrIX"
REALM = "example.org"
"""RFC 5769 section 2.4 and RFC 8489 appendix B.1; the password after its preparation."""

MD5_KEY = bytes.fromhex("e8ca7ad59d5eb0518e312911d2dab2a9")
SHA256_KEY = bytes.fromhex("dd295a613b9058c3c23d6dc7165bda072304d989c9d0af3a8c7e184b4f9bb4a1")
"""Of username, realm and password, computed with coreutils' md5sum and sha256sum."""

# RFC 5769 section 2.1
REQUEST = bytes.fromhex(
    "00010058"  # Request type and message length
    "2112a442"  # Magic cookie
    "b7e7a701 bc34d686 fa87dfae"  # Transaction ID
    "80220010"  # SOFTWARE attribute header
    "5354554e 20746573 7420636c 69656e74"  # "STUN test client"
    "00240004"  # PRIORITY attribute header
    "6e0001ff"  # ICE priority value
    "80290008"  # ICE-CONTROLLED attribute header
    "932ff9b1 51263b36"  # Pseudo-random tie breaker
    "00060009"  # USERNAME attribute header
    "6576746a 3a683676 59202020"  # "evtj:h6vY" and padding of 3 spaces
    "00080014"  # MESSAGE-INTEGRITY attribute header
    "9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2"  # HMAC-SHA1
    "80280004"  # FINGERPRINT attribute header
    "e57a3bcf"  # CRC32
)

# RFC 5769 section 2.2
IPV4_RESPONSE = bytes.fromhex(
    "0101003c"  # Response type and message length
    "2112a442"  # Magic cookie
    "b7e7a701 bc34d686 fa87dfae"  # Transaction ID
    "8022000b"  # SOFTWARE attribute header
    "74657374 20766563 746f7220"  # "test vector" and padding of 1 space
    "00200008"  # XOR-MAPPED-ADDRESS attribute header
    "0001a147"  # IPv4 and XORed port
    "e112a643"  # XORed address
    "00080014"  # MESSAGE-INTEGRITY attribute header
    "2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7"  # HMAC-SHA1
    "80280004"  # FINGERPRINT attribute header
    "c07d4c96"  # CRC32
)

# RFC 5769 section 2.3
IPV6_RESPONSE = bytes.fromhex(
    "01010048"  # Response type and message length
    "2112a442"  # Magic cookie
    "b7e7a701 bc34d686 fa87dfae"  # Transaction ID
    "8022000b"  # SOFTWARE attribute header
    "74657374 20766563 746f7220"  # "test vector" and padding of 1 space
    "00200014"  # XOR-MAPPED-ADDRESS attribute header
    "0002a147"  # IPv6 and XORed port
    "0113a9fa a5d3f179 bc25f4b5 bed2b9d9"  # XORed address
    "00080014"  # MESSAGE-INTEGRITY attribute header
    "a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41"  # HMAC-SHA1
    "80280004"  # FINGERPRINT attribute header
    "c8fb0b4c"  # CRC32
)

# RFC 5769 section 2.4
LONG_TERM_REQUEST = bytes.fromhex(
    "00010060"  # Request type and message length
    "2112a442"  # Magic cookie
    "78ad3433 c6ad72c0 29da412e"  # Transaction ID
    "00060012"  # USERNAME attribute header
    "e3839ee3 8388e383 aae38383 e382afe3 82b90000"  # 18 bytes and padding of 2
    "0015001c"  # NONCE attribute header
    "662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341"
    "0014000b"  # REALM attribute header
    "6578616d 706c652e 6f726700"  # "example.org" and padding of 1
    "00080014"  # MESSAGE-INTEGRITY attribute header
    "f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666"  # HMAC-SHA1
)

# RFC 8489 appendix B.1 with erratum 6268, which adds the PASSWORD-ALGORITHM that the printed
# message length counts and the printed bytes lack, and gives the HMAC of the whole.
USERHASH_REQUEST = bytes.fromhex(
    "00010090"  # Request type and message length
    "2112a442"  # Magic cookie
    "78ad3433 c6ad72c0 29da412e"  # Transaction ID
    "001e0020"  # USERHASH attribute header
    "4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704"
    "00150029"  # NONCE attribute header
    "6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464"
    "364f4c33 346f4c39 46535476 79363473 41000000"  # 41 bytes and padding of 3
    "0014000b"  # REALM attribute header
    "6578616d 706c652e 6f726700"  # "example.org" and padding of 1
    "001d0004"  # PASSWORD-ALGORITHM attribute header
    "00020000"  # SHA-256, no parameters
    "001c0020"  # MESSAGE-INTEGRITY-SHA256 attribute header
    "b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65"  # HMAC-SHA256
)

VECTORS = (
    Vector("RFC 5769 section 2.1", REQUEST, SHORT_TERM_PASSWORD),
    Vector("RFC 5769 section 2.2", IPV4_RESPONSE, SHORT_TERM_PASSWORD),
    Vector("RFC 5769 section 2.3", IPV6_RESPONSE, SHORT_TERM_PASSWORD),
    Vector("RFC 5769 section 2.4", LONG_TERM_REQUEST, MD5_KEY),
    Vector("RFC 8489 appendix B.1", USERHASH_REQUEST, SHA256_KEY),
)
