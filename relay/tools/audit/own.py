"""Finds which addresses are a party's own, from its captures and session descriptions.

Rules of this file: nothing is guessed. An address is the party's own if the capture says that the
capturing host sent packets from there, if a TURN client allocates from there, if a server tells
that client so, if no other address takes part in every exchange, or if a candidate that the party
wrote names it. Where that finds no address, the user has to name it.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Set

from relay.address import Address
from relay.errors import Malformed
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Message, Method, parse
from relay.tools.audit.layers import Kind, layers
from relay.tools.audit.packets import Packet
from relay.tools.audit.spellings import IP

MAX_ADDRESSES = 65_536
"""How many addresses of one capture are watched; a party of a call talks to fewer."""

_TURN = {Method.ALLOCATE, Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND}
_BEHIND_NAT = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def is_behind_nat(ip: IP) -> bool:
    """Whether an address is private, shared or unique local (RFC 1918, RFC 6598, RFC 4193)."""
    return any(ip in network for network in _BEHIND_NAT if network.version == ip.version)


class Survey:
    """Learns from the packets of one capture which addresses are the party's own."""

    def __init__(self) -> None:
        self.relays: set[IP] = set()
        """TURN servers and relayed addresses. Both sides know them; they are nobody's secret."""
        self._sending: set[str] = set()
        self._clients: set[str] = set()
        self._told: dict[str, set[IP]] = {}
        self._seen: dict[int, Counter[str]] = {4: Counter(), 6: Counter()}
        self._exchanges: Counter[int] = Counter()

    def take(self, packet: Packet) -> None:
        """Take in one packet."""
        if not packet.source_port or not _is_unicast(packet.destination):
            return
        seen = self._seen[packet.version]
        if len(seen) < MAX_ADDRESSES:
            seen.update({packet.source, packet.destination})
            self._exchanges[packet.version] += 1
        if packet.is_outgoing:
            self._sending.add(packet.source)
        for layer in layers(packet):
            if layer.kind is Kind.STUN:
                self._take_stun(packet, packet.frame[layer.start : layer.end])

    def _take_stun(self, packet: Packet, data: bytes) -> None:
        end = 20 + int.from_bytes(data[2:4])
        try:
            message = parse(data[:end])
            self._take_message(packet, message)
        except Malformed:
            return  # cut short, or none of ours

    def _take_message(self, packet: Packet, message: Message) -> None:
        if len(self._clients) > MAX_ADDRESSES or len(self._told) > MAX_ADDRESSES:
            return
        if message.method in _TURN and message.cls == Class.REQUEST:
            self._clients.add(packet.source)
            self.relays.add(ipaddress.ip_address(packet.destination))
        if message.cls != Class.SUCCESS:
            return
        self.relays.update(map(_host, message.all(Attribute.XOR_RELAYED_ADDRESS)))
        told = self._told.setdefault(packet.destination, set())
        told.update(map(_host, message.all(Attribute.XOR_MAPPED_ADDRESS)))

    @property
    def is_full(self) -> bool:
        """Whether there were more addresses than are watched."""
        seen = (*self._seen.values(), self._clients, self._told)
        return any(len(each) >= MAX_ADDRESSES for each in seen)

    def talks_outside(self, version: int) -> bool:
        """Whether one end of some exchange is outside of private networks."""
        ends = map(ipaddress.ip_address, self._seen[version])
        return any(not is_behind_nat(ip) and not _is_local(ip) for ip in ends)

    @property
    def versions(self) -> set[int]:
        """The versions of IP over which there were exchanges."""
        return {version for version, count in self._exchanges.items() if count}

    def own(self, relays: Set[IP]) -> set[IP]:
        """Find the party's own addresses; empty where they cannot be told from others.

        Args:
            relays: the `relays` of the captures of all parties.
        """
        own = self._sending | self._clients
        for version in (4, 6):
            if not any(ipaddress.ip_address(each).version == version for each in own):
                own |= self._only_one(version)
        found = {ipaddress.ip_address(each) for each in own} | self._told_to(own)
        return {ip for ip in found - relays if not _is_nobodys(ip)}

    def told(self) -> set[IP]:
        """The addresses that servers have told the party as its own."""
        return self._told_to(self._sending | self._clients)

    def _told_to(self, own: Iterable[str]) -> set[IP]:
        return set().union(*(self._told.get(each, set()) for each in own))

    def disputed(self, relays: Set[IP]) -> set[IP]:
        """Addresses that the party sends from, and that somebody's files call a relay's."""
        own = {ipaddress.ip_address(each) for each in self._sending | self._clients}
        return {ip for ip in own & relays if not _is_nobodys(ip)}

    def _only_one(self, version: int) -> set[str]:
        """Find the one address that takes part in every exchange; empty if there are several."""
        seen, exchanges = self._seen[version], self._exchanges[version]
        always = {each for each, count in seen.items() if count == exchanges}
        return always if len(always) == 1 else set()


def _host(address: Address) -> IP:
    """An address without its port."""
    return ipaddress.ip_address(address.packed)


def _is_unicast(destination: str) -> bool:
    ip = ipaddress.ip_address(destination)
    return not ip.is_multicast and destination != "255.255.255.255"


def _is_local(ip: IP) -> bool:
    return ip.is_loopback or ip.is_link_local


def _is_nobodys(ip: IP) -> bool:
    """Whether every host has this address, so that it tells nothing about one."""
    return ip.is_loopback or ip.is_unspecified
