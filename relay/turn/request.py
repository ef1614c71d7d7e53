"""One authenticated request, and the answers it can get."""

from typing import NamedTuple

from relay.address import FiveTuple
from relay.effects import Answered, Effect, Send
from relay.errors import Malformed, Rejected
from relay.stun.attributes import Attribute, AttributeType, Pair, numbers
from relay.stun.integrity import append_fingerprint, append_integrity, append_integrity_sha256
from relay.stun.message import Class, Message, build
from relay.stun.values import PasswordAlgorithm, T
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
    Attribute.PASSWORD_ALGORITHM,
    Attribute.USERHASH,
    Attribute.RESERVATION_TOKEN,
)
"""What a request may require to be understood: RFC 8489 section 6.3.1."""


class Credential(NamedTuple):
    """Who sent a request, as far as its MAC proves it.

    Args:
        username: as it stood in the request, or the one that its USERHASH stands for.
        nonce: as it stood there; whether it is good is not said.
        key: the long-term key that the MAC verified with.
        name: what the username names.
        algorithm: that the request has chosen; None where it says nothing, which means MD5.
    """

    username: str
    nonce: str
    key: bytes
    name: Name
    algorithm: PasswordAlgorithm | None = None


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
        datagram = _response(message, Class.SUCCESS, attributes, self.credential)
        return [Send(self.client, datagram), Answered(message.method, 0)]

    def failure(self, code: int, *attributes: Pair) -> list[Effect]:
        """The error response, signed with the key of the request."""
        return failure(self.message, self.client, code, attributes, self.credential)


def failure(
    message: Message,
    client: FiveTuple,
    code: int,
    attributes: tuple[Pair, ...] = (),
    credential: Credential | None = None,
) -> list[Effect]:
    """An error response; signed where the request was. The reason phrase is empty: what is sent to
    a forged source stays small.
    """
    everything = ((Attribute.ERROR_CODE, (code, "")), *attributes)
    datagram = _response(message, Class.ERROR, everything, credential)
    return [Send(client, datagram), Answered(message.method, code)]


def _response(
    message: Message, cls: Class, attributes: tuple[Pair, ...], credential: Credential | None
) -> bytes:
    """A response, signed with MESSAGE-INTEGRITY-SHA256 where the request has chosen an algorithm,
    else with MESSAGE-INTEGRITY. Spec: RFC 8489 section 9.2.4.
    """
    datagram = build(message.method, cls, message.transaction_id, attributes)
    if credential is not None:
        is_sha256 = credential.algorithm is not None
        append = append_integrity_sha256 if is_sha256 else append_integrity
        datagram = append(datagram, credential.key)
    return append_fingerprint(datagram) if wants_fingerprint(message) else datagram


def wants_fingerprint(message: Message) -> bool:
    """A request with FINGERPRINT is answered with FINGERPRINT: RFC 8489 section 7."""
    # `parse` has seen to it that FINGERPRINT is the last attribute if there is one.
    return bool(message.attributes) and message.attributes[-1][0] == Attribute.FINGERPRINT.number
