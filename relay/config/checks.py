"""Checks keys that must fit each other, and refuses what this version cannot do.

callveil refuses a configuration rather than run it with less privacy than it asks for.
"""

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from relay.address import Transport
from relay.config.certificate import View
from relay.config.networks import DeniedPeers
from relay.config.pair import ReadPair, context_of
from relay.config.settings import Peers, Settings
from relay.config.values import IPAddress, Listen, advertised, ip_of
from relay.errors import ConfigError

_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)
"""RFC 1918, 6598, 3927, 4193, 4291: hosts outside of the network cannot reach these."""


def check(settings: Settings, read_pair: ReadPair) -> list[str]:
    """Find every fault of a configuration whose keys are each well formed."""
    return [
        *_listeners(settings),
        *_relay_addresses(settings),
        *_listed_peers(settings),
        *_api(settings),
        *_users(settings),
        *_tls(settings, read_pair),
        *_proxy_protocol(settings),
        *_unavailable(settings),
    ]


class _Place(NamedTuple):
    """A place where the daemon listens. TCP, TLS and the API share their ports; UDP has its own."""

    key: str
    shown: str
    is_udp: bool
    ip: IPAddress
    port: int
    is_dual: bool = False

    def is_taken_by(self, other: "_Place") -> bool:
        """Whether the two cannot be bound together. A wildcard is every address of its family."""
        if not self.port or (self.is_udp, self.port) != (other.is_udp, other.port):
            return False
        if self.ip.version != other.ip.version:
            return self.is_dual or other.is_dual
        return self.ip == other.ip or self.ip.is_unspecified or other.ip.is_unspecified


def _listeners(settings: Settings) -> list[str]:
    """Find listeners, the API among them, that need one port."""
    faults = []
    taken: list[_Place] = []
    for place in _places(settings):
        first = next((each for each in taken if place.is_taken_by(each)), None)
        if first is not None:
            faults.append(
                f"{place.key}: {place.shown!r}: expected a port of its own, "
                f"since {first.key} has it"
            )
        taken.append(place)
    return faults


def _places(settings: Settings) -> Iterator[_Place]:
    api = settings.api.listen
    ip = ipaddress.ip_address(api.host)
    is_dual = ip.version == 6 and ip.is_unspecified  # a socket for IPv4 as well
    yield _Place("api.listen", str(api), False, ip, api.port, is_dual)
    for index, each in enumerate(settings.listen):
        ip, is_udp = ip_of(each.address), each.transport is Transport.UDP
        yield _Place(f"listen[{index}]", each.url, is_udp, ip, each.address.port)


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
            "since other hosts reach a listener"
        )
    if all(advertised(each.address, addresses) is None for each in settings.listen):
        shown = settings.listen[0].url
        faults.append(f"listen[0]: {shown!r}: expected relay.addresses to have one of its family")
    faults += [
        f"{key}: a private address, though other networks reach {each.url}: "
        "expected PUBLIC/LOCAL, or listeners on private addresses only"
        for key, each in _private_relays(settings)
        if not ip_of(each.address).is_unspecified
    ]
    if len(set(settings.relay.names)) < len(settings.relay.names):
        faults.append("relay.names: expected two different names, or one for both families")
    return faults


def _listed_peers(settings: Settings) -> list[str]:
    """Find peers that are listed for nothing, or where no media server of the operator's can be."""
    relay = settings.relay
    if (relay.peers is Peers.LISTED) != bool(relay.listed_peers):
        expected = "at least one peer" if relay.peers is Peers.LISTED else "relay.peers: listed"
        return [f"relay.listed_peers: expected {expected}"]
    if relay.peers is Peers.LISTED and relay.denied_peers != DeniedPeers(True, ()):
        return ["relay.denied_peers: expected default, since with peers: listed the list decides"]
    own = {ip_of(side) for each in relay.addresses for side in (each.public, each.local)}
    is_local = all(ip.is_loopback for ip in own)
    faults = []
    for index, each in enumerate(relay.listed_peers):
        network, key = each.listed.network, f"relay.listed_peers[{index}]"
        is_own = network.num_addresses == 1 and network.network_address in own and not is_local
        if each.is_nowhere() or is_own or (each.is_loopback and not is_local):
            faults.append(f"{key}: expected addresses of other hosts")
        elif each.is_special(relay.allow_private):
            faults.append(f"{key}: a special-use range: expected it to be in relay.allow_private")
    return faults


def private_relays(settings: Settings) -> list[str]:
    """Caution about private relay addresses, which are right in a private network only."""
    return [
        f"{key}: a private address, and {each.url} listens on every address of this host: "
        "clients outside of your network cannot use it; for them write PUBLIC/LOCAL"
        for key, each in _private_relays(settings)
    ]


def _private_relays(settings: Settings) -> Iterator[tuple[str, Listen]]:
    """Pair each relay address that clients outside cannot use with a listener that they reach."""
    for index, address in enumerate(settings.relay.addresses):
        ip = ip_of(address.public)
        if ip.is_loopback or not _is_private(ip):
            continue
        open_ones = [
            each
            for each in settings.listen
            if each.address.family == address.family and not _is_private(ip_of(each.address))
        ]
        if open_ones:
            worst = min(open_ones, key=lambda each: ip_of(each.address).is_unspecified)
            yield f"relay.addresses[{index}]: {str(ip)!r}", worst


def _is_private(ip: IPAddress) -> bool:
    return ip.is_loopback or any(ip in network for network in _PRIVATE)


def _api(settings: Settings) -> list[str]:
    if settings.api.listen.is_loopback or settings.api.tokens:
        return []
    return [
        f"api.tokens: []: expected at least one token, since api.listen ({settings.api.listen}) "
        "can be reached from other hosts"
    ]


def _users(settings: Settings) -> list[str]:
    """Find users where every name is a call's."""
    if not settings.auth.users:
        return []
    faults = []
    if settings.relay.peers is Peers.CALL:
        faults.append(
            "auth.users: expected none with relay.peers call: "
            "auth.users needs relay.peers relay, listed or any"
        )
    if settings.auth.require_registered_call:
        faults.append(
            "auth.users: expected none with auth.require_registered_call: "
            "the relay takes only calls of the API then"
        )
    return faults


def _tls(settings: Settings, read_pair: ReadPair) -> list[str]:
    """Find what keeps the certificate and its key from being loaded together, or from being the
    relay's.
    """
    tls = settings.tls
    if not tls.certificate and not tls.key:
        if settings.uses_tls:
            return ["tls.certificate: '': expected a file, since listen has tls://"]
        return []
    try:
        pair = read_pair(tls)
        view = View(context_of(tls, pair), pair)
    except ConfigError as error:
        return list(error.faults)
    return unheld_names(settings, view) if settings.uses_tls else []


def unheld_names(settings: Settings, view: View) -> list[str]:
    """Find names that clients are told and that the certificate does not hold."""
    names = settings.relay.names
    unfit = view.unfit(names)
    held = ", ".join(view.names[:3]) or "no name at all"
    return [
        f"relay.names[{index}]: {name!r}: expected a name that tls.certificate is for; it is for "
        f"{held}"
        for index, name in enumerate(names)
        if name in unfit
    ]


def _proxy_protocol(settings: Settings) -> list[str]:
    if not settings.proxy_protocol.networks or any(
        listen.transport is not Transport.UDP for listen in settings.listen
    ):
        return []
    return ["proxy_protocol: expected a tcp:// or tls:// listener, since UDP has no PROXY header"]


def _unavailable(settings: Settings) -> list[str]:
    """Refuse values that need what is planned and this version cannot do."""
    asked = {
        "privacy.log_addresses: 'keyed': expected never": settings.privacy.log_addresses == "keyed",
        "state.directory: expected ''": settings.state.directory != "",
        "fleet.redis: expected ''": settings.fleet.redis != "",
        "fleet.node: expected ''": settings.fleet.node != "",
        "fleet.region: expected ''": settings.fleet.region != "",
    }
    return [
        f"{fault}; not available in this version" for fault, is_asked in asked.items() if is_asked
    ]
