"""ALTERNATE-SERVER: where clients are sent that would begin something on a relay that drains."""

from collections.abc import Iterable

from relay.address import FiveTuple
from relay.calls.rules import Alternate
from relay.stun.attributes import Attribute, Pair


def alternate_for(client: FiveTuple, alternates: Iterable[Alternate]) -> tuple[Pair, ...]:
    """What is told a client: the first relay with its transport and its address family.

    Returns: nothing where there is none.
    Spec: RFC 8489 sections 10, 14.15 and 14.16.
    """
    for each in alternates:
        if (each.transport, each.address.family) == (client.transport, client.client.family):
            server: Pair = (Attribute.ALTERNATE_SERVER, each.address)
            return (server, (Attribute.ALTERNATE_DOMAIN, each.name)) if each.name else (server,)
    return ()
