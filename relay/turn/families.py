"""Of which family a relayed address is, IPv4 or IPv6: RFC 8656 section 7.2."""

from collections.abc import Collection

from relay.address import IPV4, IPV6, ServerAddress
from relay.calls.call import Call
from relay.errors import Rejected
from relay.stun.attributes import Attribute
from relay.turn.request import Request

FAMILIES = (IPV4, IPV6)
"""In the order in which an allocation with both has them."""


def check_families(
    request: Request, families: Collection[int], even: bool | None, *, has_token: bool
) -> tuple[int, ...]:
    """The families that an Allocate request asks for, as far as they are there; none where it asks
    for none in particular.

    Args:
        families: that the relay has.
        even: EVEN-PORT of the request, if there is one.
    Raises: Rejected 400 or 440. Nothing else.
    """
    requested = request.get(Attribute.REQUESTED_ADDRESS_FAMILY)
    additional = request.get(Attribute.ADDITIONAL_ADDRESS_FAMILY)
    if has_token and (even, requested, additional) != (None, None, None):
        raise Rejected(400)
    if additional is not None and (requested is not None or additional != IPV6 or even is True):
        raise Rejected(400)
    if additional is not None:
        return tuple(family for family in FAMILIES if family in families)
    if requested is not None and requested not in families:
        raise Rejected(440)
    return () if requested is None else (requested,)


def default_family(call: Call, listener: ServerAddress, families: Collection[int]) -> int:
    """The family for a client that asks for none.

    It is the relay's, or that of the listener where the relay has both. Clients pair addresses of
    one family only, and each may be at a listener of another: so in a call with siblings everybody
    gets what the first one got.

    Deviates: RFC 8656 section 7.2 says IPv4. Browsers never ask, and would get 440 from a relay
    that has IPv6 only.
    Privacy: while a call rings it is IPv4, so that nobody learns whether the callee has allocated.
    """
    if len(families) == 1:
        return next(iter(families))
    if not (call.closed or call.is_registered):  # a user, and not a call
        return listener.family
    if not call.is_active:
        return IPV4
    first = next(iter(call.by_port.values()), None)
    return first.relayed.family if first is not None else listener.family
