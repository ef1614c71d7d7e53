"""Checks what a configuration takes for granted of this host, and of the present time.

Rules of this file: nothing here keeps a relay from starting; it is for whoever checks a
configuration beforehand. A relay that starts says itself what it cannot have.
"""

import pwd
import socket
from typing import NamedTuple

from relay.address import Transport
from relay.config.certificate import View
from relay.config.pair import context_of, read_pair
from relay.config.settings import Settings
from relay.config.values import advertised, ip_of
from relay.errors import ConfigError

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
    """Check that clients will accept the certificate now, for the hosts that they are told.

    Args:
        now_s: Unix time.
    """
    tls = settings.tls
    if not tls.certificate:
        return Found([], [])
    try:
        pair = read_pair(tls)
        view = View(context_of(tls, pair), pair)
    except ConfigError as error:  # replaced since the configuration was loaded
        return Found(list(error.faults), [])
    place = f"tls.certificate: {tls.certificate!r}: "
    if view.fault:
        return Found([place + view.fault], [])
    return Found([], [place + sentence for sentence in _cautions(settings, view, now_s)])


def _cautions(settings: Settings, view: View, now_s: float) -> list[str]:
    found = []
    validity, unfit = view.validity, view.unfit(_told(settings))
    if validity is not None and validity.is_expiring(now_s):
        days = max(0, int((validity.ends_s - now_s) / _DAY_S))
        found.append(f"the certificate expires in {days} days; renew it")
    if unfit:
        names = ", ".join(view.names[:3]) or "no name at all"
        found.append(
            f"the certificate is for {names}, and not for {', '.join(unfit)}, which the relay "
            "tells clients: they refuse it; write a name that it is for into relay.names"
        )
    return found


def _told(settings: Settings) -> list[str]:
    """List the addresses of tls:// listeners, where clients are told those: names are checked."""
    if settings.relay.names:
        return []
    listening = [each.address for each in settings.listen if each.transport is Transport.TLS]
    told = (advertised(address, settings.relay.addresses) for address in listening)
    return list({str(ip_of(address)): None for address in told if address is not None})
