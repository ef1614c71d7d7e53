"""Checks what a configuration takes for granted of this host, and of the present time.

Rules of this file: nothing here keeps a relay from starting; it is for whoever checks a
configuration beforehand. A relay that starts says itself what it cannot have.
"""

import pwd
import socket
from typing import NamedTuple

from relay.address import Transport
from relay.config.certificate import Seen, examine
from relay.config.settings import Settings
from relay.config.values import IPAddress, advertised, ip_of

_DAY_S = 86_400


class Found(NamedTuple):
    """Findings, each one line.

    Args:
        faults: what does not work on this host.
        cautions: what works and deserves a look.
    """

    faults: list[str]
    cautions: list[str]


def look_at_host(settings: Settings) -> Found:
    """Check that the users and interfaces of a configuration exist."""
    found = Found([], [])
    if settings.user and not _is_user(settings.user):
        found.faults.append(f"user: {settings.user!r}: expected the name of a user of this host")
    there = [name for _, name in socket.if_nameindex()]
    has = f"this host has {', '.join(there)}"
    for index, name in enumerate(settings.fastpath.interfaces):
        key = f"fastpath.interfaces[{index}]: {name!r}"
        if name in there or settings.fastpath.mode == "off":
            continue
        if settings.fastpath.mode == "require":
            found.faults.append(f"{key}: expected an interface of this host; {has}")
        else:  # it may come later, and the relay starts
            found.cautions.append(
                f"{key}: {has}; without that interface, everything takes the user path"
            )
    return found


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def look_at_certificate(settings: Settings, now_s: float) -> Found:
    """Check that clients will accept the certificate now, for the addresses that they are told.

    Args:
        now_s: Unix time.
    """
    tls = settings.tls
    if not tls.certificate:
        return Found([], [])
    place = f"tls.certificate: {tls.certificate!r}: "
    hosts = tuple(str(ip) for ip in _told(settings))
    seen = examine(tls.certificate, tls.key, hosts, now_s)
    if seen.fault:
        return Found([place + seen.fault], [])
    return Found([], [place + sentence for sentence in _cautions(seen)])


def _cautions(seen: Seen) -> list[str]:
    found = []
    if seen.is_expiring and seen.expires_in_s is not None:
        found.append(
            f"the certificate expires in {max(0, int(seen.expires_in_s / _DAY_S))} days; renew it"
        )
    if seen.unfit:
        names = ", ".join(seen.names[:3]) or "no name at all"
        found.append(
            f"the certificate is for {names}, and not for {', '.join(seen.unfit)}, which the relay "
            "tells clients: they refuse it unless your signaling server tells them a name that the "
            "certificate is for"
        )
    return found


def _told(settings: Settings) -> dict[IPAddress, None]:
    """List the addresses of tls:// listeners as clients are told them."""
    listening = [each.address for each in settings.listen if each.transport is Transport.TLS]
    told = (advertised(address, settings.relay.addresses) for address in listening)
    return {ip_of(address): None for address in told if address is not None}
