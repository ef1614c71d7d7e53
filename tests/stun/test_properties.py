"""What holds for every message and for all bytes."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from relay.errors import DropReason, Malformed, Rejected
from relay.stun import integrity
from relay.stun.attributes import Attribute, Pair
from relay.stun.message import Class, Message, build, parse
from tests.stun.strategies import BY_NUMBER, attribute_lists, messages, transactions

FAULTS = {
    DropReason.TOO_SHORT,
    DropReason.BAD_LENGTH,
    DropReason.BAD_COOKIE,
    DropReason.BAD_ATTRIBUTE,
    DropReason.BAD_FINGERPRINT,
}


def outcome(datagram: bytes) -> Message | DropReason:
    """The message or the reason of the fault; anything else fails the test."""
    try:
        message = parse(datagram)
    except Malformed as malformed:
        return malformed.reason
    for kind, _ in message.attributes:
        if kind in BY_NUMBER:
            try:
                message.all(BY_NUMBER[kind])
            except Malformed as malformed:
                if malformed.reason is not DropReason.BAD_ATTRIBUTE:
                    raise
    try:
        integrity.verify(message, b"key")
    except Rejected as rejected:
        if rejected.code != 401:
            raise
    return message


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_a_message_or_malformed(datagram: bytes) -> None:
    result = outcome(datagram)
    assert isinstance(result, Message) or result in FAULTS


@given(body=st.binary(max_size=300), kind=st.integers(0, 0x3FFF), transaction=transactions)
def test_arbitrary_attributes_give_a_message_or_malformed(
    body: bytes, kind: int, transaction: bytes
) -> None:
    body = body[: len(body) // 4 * 4]
    result = outcome(struct.pack("!HHI", kind, len(body), 0x2112A442) + transaction + body)
    assert isinstance(result, Message) or result in (
        DropReason.BAD_ATTRIBUTE,
        DropReason.BAD_FINGERPRINT,
    )


@given(
    messages,
    st.lists(st.tuples(st.integers(0), st.binary(min_size=1, max_size=4)), max_size=4),
)
def test_damaged_messages_give_a_message_or_malformed(
    datagram: bytes, damages: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(datagram)
    for place, replacement in damages:
        start = place % len(damaged)
        damaged[start : start + len(replacement)] = replacement
    result = outcome(bytes(damaged))
    assert isinstance(result, Message) or result in FAULTS


@given(messages, st.data())
def test_every_truncation_is_malformed(datagram: bytes, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(datagram) - 1))
    assert outcome(datagram[:size]) in (DropReason.TOO_SHORT, DropReason.BAD_LENGTH)


@given(
    method=st.integers(0, 0xFFF),
    cls=st.sampled_from(Class),
    transaction=transactions,
    attributes=attribute_lists,
    key=st.binary(max_size=80),
)
def test_what_is_built_is_what_is_read(
    method: int,
    cls: Class,
    transaction: bytes,
    attributes: list[Pair],
    key: bytes,
) -> None:
    message = parse(build(method, cls, transaction, attributes, key=key, fingerprint=True))
    integrity.verify(message, key)
    assert (message.method, message.cls) == (method, cls)
    assert message.transaction_id == transaction
    kinds = [kind for kind, _ in attributes]
    assert [kind for kind, _ in message.attributes] == [
        *kinds,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.FINGERPRINT,
    ]
    for kind in kinds:
        assert message.all(kind) == [value for other, value in attributes if other == kind]
