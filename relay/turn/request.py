"""One authenticated request, and the answers it can get."""

from typing import NamedTuple

from relay.address import FiveTuple
from relay.effects import Answered, Effect, Send
from relay.errors import Malformed, Rejected
from relay.stun.attributes import Attribute, AttributeType, Pair, numbers
from relay.stun.message import Class, Message, build
from relay.stun.values import T
from relay.turn.allocation import Allocation
from relay.turn.names import Name

KNOWN = numbers(
    Attribute.USERNAME,
    Attribute.MESSAGE_INTEGRITY,
    Attribute.MESSAGE_INTEGRITY_SHA256,
    Attribute.REALM,
    Attribute.NONCE,
    Attribute.CHANNEL_NUMBER,
    Attribute.LIFETIME,
    Attribute.XOR_PEER_ADDRESS,
    Attribute.DATA,
    Attribute.REQUESTED_ADDRESS_FAMILY,
    Attribute.EVEN_PORT,
    Attribute.REQUESTED_TRANSPORT,
    Attribute.DONT_FRAGMENT,
    Attribute.RESERVATION_TOKEN,
)
"""What a request may require to be understood: RFC 8489 section 6.3.1."""


class Credential(NamedTuple):
    """Who sent a request, as far as its MAC proves it.

    Args:
        username, nonce: as they stood in the request; whether the nonce is good is not said.
        key: the long-term key that the MAC verified with.
        name: what the username names.
    """

    username: str
    nonce: str
    key: bytes
    name: Name


class Request(NamedTuple):
    """A request whose MAC has verified; `held` is the allocation of its client, if it has one."""

    message: Message
    client: FiveTuple
    credential: Credential
    held: Allocation | None

    def get(self, attribute: AttributeType[T]) -> T | None:
        """The first attribute of this type, or None.

        Raises: Rejected 400 where it cannot be read: the sender is known by now and gets an answer.
        """
        try:
            return self.message.get(attribute)
        except Malformed:
            raise Rejected(400) from None

    def allocation(self) -> Allocation:
        """The allocation that the request is about.

        Raises: Rejected 437 (there is none) or 441 (another credential made it).
        Spec: RFC 8656 section 5.
        """
        if self.held is None:
            raise Rejected(437)
        if self.held.username != self.credential.username:
            raise Rejected(441)
        return self.held

    def all(self, attribute: AttributeType[T]) -> list[T]:
        """Every attribute of this type. Raises: Rejected 400."""
        try:
            return self.message.all(attribute)
        except Malformed:
            raise Rejected(400) from None

    def success(self, *attributes: Pair) -> list[Effect]:
        """The success response, signed with the key of the request."""
        message = self.message
        datagram = build(
            message.method,
            Class.SUCCESS,
            message.transaction_id,
            attributes,
            key=self.credential.key,
            fingerprint=wants_fingerprint(message),
        )
        return [Send(self.client, datagram), Answered(message.method, 0)]

    def failure(self, code: int, *attributes: Pair) -> list[Effect]:
        """The error response, signed with the key of the request."""
        return failure(self.message, self.client, code, attributes, self.credential.key)


def failure(
    message: Message,
    client: FiveTuple,
    code: int,
    attributes: tuple[Pair, ...] = (),
    key: bytes | None = None,
) -> list[Effect]:
    """An error response; signed where the request was. The reason phrase is empty: what is sent to
    a forged source stays small.
    """
    datagram = build(
        message.method,
        Class.ERROR,
        message.transaction_id,
        ((Attribute.ERROR_CODE, (code, "")), *attributes),
        key=key,
        fingerprint=wants_fingerprint(message),
    )
    return [Send(client, datagram), Answered(message.method, code)]


def wants_fingerprint(message: Message) -> bool:
    """A request with FINGERPRINT is answered with FINGERPRINT: RFC 8489 section 7."""
    # `parse` has seen to it that FINGERPRINT is the last attribute if there is one.
    return bool(message.attributes) and message.attributes[-1][0] == Attribute.FINGERPRINT.number
