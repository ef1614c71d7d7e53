"""A party's ICE checks on its relayed port: read, verified, answered.

Rules of this file: the checks are those of RFC 8489 section 9.1.3 in its order; what has not
verified draws short answers within its source's rate, and changes nothing.
"""

from relay.address import FiveTuple
from relay.calls.rate import SourceRate
from relay.clock import Now
from relay.effects import Answered, Count, Effect, Send
from relay.errors import DropReason, Malformed, Rejected
from relay.ice.candidate import Generation
from relay.ice.port import RelayedPort
from relay.ice.settings import PortSettings
from relay.stun.attributes import Attribute, Pair, numbers
from relay.stun.integrity import verify
from relay.stun.message import Class, Message, Method, build

_KNOWN = numbers(
    Attribute.USERNAME,
    Attribute.MESSAGE_INTEGRITY,
    Attribute.MESSAGE_INTEGRITY_SHA256,
    Attribute.PRIORITY,
    Attribute.USE_CANDIDATE,
)
"""What a check may require to be understood: RFC 8445 section 7.1."""


class Check:
    """A Binding request that has verified.

    Args:
        is_present: under the credentials that hold now, not those before an ICE restart.
    """

    __slots__ = ("_client", "_generation", "_message", "_port", "is_present", "nominates")

    def __init__(
        self, message: Message, port: RelayedPort, client: FiveTuple, generation: Generation
    ) -> None:
        self._message = message
        self._port = port
        self._client = client
        self._generation = generation
        self.is_present = generation is port.ice
        nomination = Attribute.USE_CANDIDATE.number
        self.nominates = any(kind == nomination for kind, _ in message.attributes)

    def success(self, is_masked: bool) -> list[Effect]:
        """The success response.

        Deviates: a masked leg is told its relayed address where its own would stand, so that it has
        nothing to pass on (RFC 8489 section 7.3.1).
        Spec: RFC 8445 section 7.3.
        """
        mapped = self._port.relayed if is_masked else self._client.client
        return self._answer(Class.SUCCESS, 0, (Attribute.XOR_MAPPED_ADDRESS, mapped))

    def unknown(self) -> list[Effect]:
        """420, where the request requires to be understood what is not; else nothing."""
        unknown = self._message.unknown(_KNOWN)
        if not unknown:
            return []
        code = (Attribute.ERROR_CODE, (420, ""))
        return self._answer(Class.ERROR, 420, code, (Attribute.UNKNOWN_ATTRIBUTES, unknown))

    def _answer(self, cls: Class, code: int, *attributes: Pair) -> list[Effect]:
        datagram = build(
            Method.BINDING,
            cls,
            self._message.transaction_id,
            attributes,
            key=self._generation.own.pwd.encode(),
            fingerprint=True,
        )
        return [Send(self._client, datagram), Answered(Method.BINDING, code)]


class Ice:
    """Turns a message into the check that it proves to be, or into what it deserves instead."""

    def __init__(self, settings: PortSettings) -> None:
        self._rate = SourceRate(settings.unauthenticated_per_s, settings.rate_key)

    def receive(
        self, message: Message, port: RelayedPort, client: FiveTuple, now: Now
    ) -> Check | list[Effect]:
        """Verify a message that is no answer.

        A leg that does no ICE, or whose party's credentials are not known yet, is silent: a client
        sends its check again, while an error would end its pair.

        Returns: the check; or effects where it is none, which change nothing.
        Raises: Malformed. Nothing else.
        Spec: RFC 8489 section 9.1.3, RFC 8445 section 7.3.
        """
        if message.cls is not Class.REQUEST or message.method != Method.BINDING:
            raise Malformed(DropReason.NOT_A_REQUEST)
        if port.ice is None:
            raise Malformed(DropReason.UNAUTHENTICATED)
        try:
            generation = _authenticate(message, port)
        except Rejected as rejected:
            return self._refuse(message, client, rejected.code, now)
        if port.is_replay(message.transaction_id, client.client):
            raise Malformed(DropReason.UNAUTHENTICATED)
        check = Check(message, port, client, generation)
        unknown = check.unknown()
        if unknown and not self._rate.is_within(client.client, now.mono):
            return [Count(DropReason.UNAUTHENTICATED_RATE)]
        return unknown or check

    def _refuse(self, message: Message, client: FiveTuple, code: int, now: Now) -> list[Effect]:
        if not self._rate.is_within(client.client, now.mono):
            return [Count(DropReason.UNAUTHENTICATED_RATE)]
        datagram = build(
            Method.BINDING,
            Class.ERROR,
            message.transaction_id,
            ((Attribute.ERROR_CODE, (code, "")),),
            fingerprint=True,
        )
        return [Send(client, datagram), Answered(Method.BINDING, code)]


def _authenticate(message: Message, port: RelayedPort) -> Generation:
    """Check both halves of the username, and the MAC with the password of the relay's half.

    Returns: the credentials that it was made with.
    Raises: Rejected 400 or 401, Malformed BAD_ATTRIBUTE. Nothing else.
    Spec: RFC 8489 section 9.1.3, RFC 8445 section 7.2.2.
    """
    username = message.get(Attribute.USERNAME)
    if username is None or not (message.integrity_at or message.integrity_sha256_at):
        raise Rejected(400)
    for generation in (port.ice, port.previous):
        if generation and username == f"{generation.own.ufrag}:{generation.party.ufrag}":
            verify(message, generation.own.pwd.encode())
            return generation
    raise Rejected(401)
