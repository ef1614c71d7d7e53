"""Values of every attribute and whole messages, for property tests."""

from typing import Any

from hypothesis import strategies as st

from relay.address import Address, ClientAddress, PeerAddress, ServerAddress
from relay.stun.attributes import Attribute, AttributeType
from relay.stun.message import Class, build
from relay.stun.values import AddressErrorCode, ErrorCode, Icmp, PasswordAlgorithm

TYPES = {name: each for name, each in vars(Attribute).items() if isinstance(each, AttributeType)}
BY_NUMBER = {each.number: each for each in TYPES.values()}

transactions = st.binary(min_size=12, max_size=12)
ports = st.integers(0, 0xFFFF)
bytes_of_number = st.integers(0, 0xFF)
uint32 = st.integers(0, 0xFFFF_FFFF)
uint64 = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
codes = st.integers(300, 699)
encodable = st.characters(codec="utf-8")


def texts(longest: int) -> st.SearchStrategy[str]:
    """Text of at most `longest` bytes of UTF-8."""
    return st.text(encodable, max_size=longest // 4)


def addresses(role: type[Address]) -> st.SearchStrategy[Address]:
    """Addresses of one role and both families."""
    packed = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
    return st.builds(role, packed, ports)


algorithms = st.builds(PasswordAlgorithm, ports, st.binary(max_size=20))

VALUES: dict[AttributeType[Any], st.SearchStrategy[Any]] = {
    Attribute.MAPPED_ADDRESS: addresses(ClientAddress),
    Attribute.USERNAME: texts(508),
    Attribute.MESSAGE_INTEGRITY: st.binary(min_size=20, max_size=20),
    Attribute.ERROR_CODE: st.builds(ErrorCode, codes, texts(763)),
    Attribute.UNKNOWN_ATTRIBUTES: st.lists(ports).map(tuple),
    Attribute.CHANNEL_NUMBER: ports,
    Attribute.LIFETIME: uint32,
    Attribute.XOR_PEER_ADDRESS: addresses(PeerAddress),
    Attribute.DATA: st.binary(max_size=2000),
    Attribute.REALM: texts(763),
    Attribute.NONCE: texts(763),
    Attribute.XOR_RELAYED_ADDRESS: addresses(PeerAddress),
    Attribute.REQUESTED_ADDRESS_FAMILY: bytes_of_number,
    Attribute.EVEN_PORT: st.booleans(),
    Attribute.REQUESTED_TRANSPORT: bytes_of_number,
    Attribute.DONT_FRAGMENT: st.just(True),
    Attribute.MESSAGE_INTEGRITY_SHA256: st.integers(4, 8).flatmap(
        lambda words: st.binary(min_size=words * 4, max_size=words * 4)
    ),
    Attribute.PASSWORD_ALGORITHM: algorithms,
    Attribute.USERHASH: st.binary(min_size=32, max_size=32),
    Attribute.XOR_MAPPED_ADDRESS: addresses(ClientAddress),
    Attribute.RESERVATION_TOKEN: st.binary(min_size=8, max_size=8),
    Attribute.PRIORITY: uint32,
    Attribute.USE_CANDIDATE: st.just(True),
    Attribute.CONNECTION_ID: uint32,
    Attribute.ADDITIONAL_ADDRESS_FAMILY: bytes_of_number,
    Attribute.ADDRESS_ERROR_CODE: st.builds(AddressErrorCode, bytes_of_number, codes, texts(763)),
    Attribute.PASSWORD_ALGORITHMS: st.lists(algorithms).map(tuple),
    Attribute.ALTERNATE_DOMAIN: texts(255),
    Attribute.ICMP: st.builds(Icmp, st.integers(0, 127), st.integers(0, 511), uint32),
    Attribute.SOFTWARE: texts(763),
    Attribute.ALTERNATE_SERVER: addresses(ServerAddress),
    Attribute.FINGERPRINT: uint32,
    Attribute.ICE_CONTROLLED: uint64,
    Attribute.ICE_CONTROLLING: uint64,
}

_ORDINARY = sorted(
    set(VALUES)
    - {Attribute.MESSAGE_INTEGRITY, Attribute.MESSAGE_INTEGRITY_SHA256, Attribute.FINGERPRINT},
    key=int,
)

attributes = st.sampled_from(_ORDINARY).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind]))
attribute_lists = st.lists(attributes, max_size=12)

messages = st.builds(
    build,
    st.integers(0, 0xFFF),
    st.sampled_from(Class),
    transactions,
    attribute_lists,
    key=st.none() | st.binary(max_size=40),
    fingerprint=st.booleans(),
)

assert set(VALUES) == set(TYPES.values()), "every attribute is tested"
assert len(BY_NUMBER) == len(TYPES), "every attribute has a number of its own"
