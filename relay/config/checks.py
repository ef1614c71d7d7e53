"""What no single key can tell: keys that must fit each other, and what this version cannot do.

A configuration is refused rather than run with less privacy than it asks for.
"""

import ssl
from pathlib import Path

from relay.address import Transport
from relay.config.settings import Peers, Settings


def check(settings: Settings) -> list[str]:
    """Every fault of a configuration whose keys are each well formed."""
    return [
        *_listeners(settings),
        *_relay_addresses(settings),
        *_api(settings),
        *_tls(settings),
        *_unavailable(settings),
    ]


def _listeners(settings: Settings) -> list[str]:
    """Two listeners on one port: TCP and TLS share theirs."""
    faults, taken = [], set()
    for index, listen in enumerate(settings.listen):
        place = (listen.transport is Transport.UDP, listen.address)
        if listen.address.port and place in taken:
            faults.append(f"listen[{index}]: {listen.url!r}: expected an address not used before")
        taken.add(place)
    return faults


def _relay_addresses(settings: Settings) -> list[str]:
    addresses = settings.relay.addresses
    faults = []
    if len({address.family for address in addresses}) < len(addresses):
        faults.append("relay.addresses: expected one address per family, IPv4 and IPv6")
    if any(address.is_loopback for address in addresses) and not all(
        listen.is_loopback for listen in settings.listen
    ):
        faults.append(
            "relay.addresses: a loopback address: expected one that clients can reach, "
            "since a listener is open to other hosts"
        )
    return faults


def _api(settings: Settings) -> list[str]:
    if settings.api.listen.is_loopback or settings.api.tokens:
        return []
    return [
        f"api.tokens: []: expected at least one token, since api.listen ({settings.api.listen}) "
        "is open to other hosts"
    ]


def _tls(settings: Settings) -> list[str]:
    """The certificate and its key, readable and belonging together."""
    tls = settings.tls
    if not tls.certificate and not tls.key:
        is_needed = any(listen.transport is Transport.TLS for listen in settings.listen)
        return (
            ["tls.certificate: '': expected a file, since listen has tls://"] if is_needed else []
        )
    faults = []
    for key, name in (("certificate", tls.certificate), ("key", tls.key)):
        try:
            Path(name).open("rb").close()
        except (OSError, ValueError):
            shown = f"{name!r}: " if key == "certificate" else ""
            faults.append(f"tls.{key}: {shown}expected a PEM file that can be read")
    if faults:
        return faults
    try:
        # An empty password makes a protected key a fault instead of a question on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, "")
    except (OSError, ValueError):
        return [
            f"tls.certificate: {tls.certificate!r}: expected a PEM certificate, "
            "and its unencrypted key in tls.key"
        ]
    return []


def _unavailable(settings: Settings) -> list[str]:
    """What is planned and this version does not do, refused rather than ignored."""
    asked = {
        "relay.peers: 'any': expected call or relay": settings.relay.peers is Peers.ANY,
        "privacy.log_addresses: 'keyed': expected never": settings.privacy.log_addresses == "keyed",
        "state.directory: expected ''": settings.state.directory != "",
        "fleet.redis: expected ''": settings.fleet.redis != "",
        "fleet.node: expected ''": settings.fleet.node != "",
        "fleet.region: expected ''": settings.fleet.region != "",
    }
    return [
        f"{fault}; not available in this version" for fault, is_asked in asked.items() if is_asked
    ]
