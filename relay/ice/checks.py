"""The relay's own ICE checks, as messages: to see whether a party is where it seems to be.

Rules of this file: the relay never nominates and never controls; whoever answers a check has seen
it, and holds the party's password.
"""

from relay.address import FiveTuple
from relay.effects import Send
from relay.errors import DropReason, Malformed, Rejected
from relay.ice.candidate import Candidate
from relay.ice.port import RelayedPort
from relay.stun.attributes import Attribute
from relay.stun.integrity import verify
from relay.stun.message import Class, Message, Method, build

_PRIORITY = 110 << 24 | 65535 << 8 | 255
"""Of a peer-reflexive candidate, the first component: RFC 8445 sections 5.1.2.1 and 7.1.1."""

_TIE_BREAKER = 0
"""In a conflict the larger one controls, and that is never the relay: RFC 8445 section 7.3.1.1."""

_FORBIDDEN = 403


def build_check(asked: Candidate, transaction_id: bytes) -> Send:
    """A Binding request to an address of a party, signed with the party's password.

    Spec: RFC 8445 sections 7.1 and 7.2.2.
    """
    assert asked.generation  # noqa: S101  declared ones are not asked
    own, party = asked.generation
    datagram = build(
        Method.BINDING,
        Class.REQUEST,
        transaction_id,
        (
            (Attribute.USERNAME, f"{party.ufrag}:{own.ufrag}"),
            (Attribute.PRIORITY, _PRIORITY),
            (Attribute.ICE_CONTROLLED, _TIE_BREAKER),
        ),
        key=party.pwd.encode(),
        fingerprint=True,
    )
    return Send(asked.client, datagram)


def find_asked(port: RelayedPort, answer: Message, client: FiveTuple) -> Candidate:
    """The address that this answers for: it came from where a check of this transaction went.

    Raises: Malformed NOT_A_REQUEST, or UNAUTHENTICATED where the party has not signed it. Nothing
        else.
    Spec: RFC 8445 section 7.2.5, RFC 8489 section 9.1.4.
    """
    for candidates in (port.pending, port.sources):
        found = candidates.get(client.client)
        if found and found.generation and answer.transaction_id in found.asked:
            try:
                verify(answer, found.generation.party.pwd.encode())
            except Rejected:
                raise Malformed(DropReason.UNAUTHENTICATED) from None
            return found
    raise Malformed(DropReason.NOT_A_REQUEST)


def is_revoked(answer: Message) -> bool:
    """Whether the party wants nothing there any more. Spec: RFC 7675 section 5.2.

    Raises: Malformed BAD_ATTRIBUTE. Nothing else.
    """
    if answer.cls is not Class.ERROR:
        return False
    error = answer.get(Attribute.ERROR_CODE)
    return error is not None and error[0] == _FORBIDDEN
