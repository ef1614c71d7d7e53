"""Runs an audit: searches what every party could see for the addresses of the others.

Rules of this file: two passes over the files. The first learns whose address is whose, and what the
files hold; the second searches. Neither holds more of a capture than one batch. An audit without an
address to search for, or without anything to search, is a fault and not a clean result.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from relay.address import ClientAddress
from relay.errors import ConfigError
from relay.tools.audit.descriptions import place
from relay.tools.audit.files import Contents, Source
from relay.tools.audit.layers import layers
from relay.tools.audit.packets import Packet
from relay.tools.audit.party import Party, packets
from relay.tools.audit.report import Exposure, Gap, Place, Report, Secret
from relay.tools.audit.search import Hit, Item, item_of_packet, search
from relay.tools.audit.spellings import IP
from relay.tools.audit.streams import Streams

_ICMP = (1, 58)


def audit(
    files: Mapping[str, Sequence[Source]], secrets: Mapping[str, Sequence[IP]] | None = None
) -> Report:
    """Search the files of every party for the addresses of the others.

    Args:
        files: what each party could see; two parties or more, or one and `secrets` of another.
        secrets: further addresses of parties, besides those that their files tell.
    Raises: ConfigError. Nothing else.
    """
    given = dict(secrets or {})
    if len(set(files) | set(given)) < 2 or not files:
        raise ConfigError("expected files of two parties, or of one and --secret of another")
    parties = [Party(name, sources) for name, sources in files.items()]
    own = _addresses(parties, given)
    report = Report({party.name: party.looked for party in parties})
    report.unsearched += _exclude_shared(own)
    wanted = {
        name: tuple(
            Secret(name, number, ClientAddress(ip.packed, 0))
            for number, ip in enumerate(sorted(found, key=_order), start=1)
        )
        for name, found in own.items()
    }
    if not any(wanted.values()):
        raise ConfigError(
            "the files tell no address that is one party's own; give --secret NAME=ADDRESS"
        )
    for party in parties:
        party.looked.secrets = wanted[party.name]
        party.note_certificates(own[party.name])
        report.notices += party.notices
        report.unsearched += party.gaps
        others = [each for name, found in wanted.items() if name != party.name for each in found]
        report.leaks += _exposures(party, others)
    return report


def _order(ip: IP) -> tuple[int, bytes]:
    return ip.version, ip.packed


def _addresses(parties: Sequence[Party], given: Mapping[str, Sequence[IP]]) -> dict[str, set[IP]]:
    """Find the addresses of each party: those that were given, and those that the files tell."""
    relays = {ip for party in parties for ip in party.relays}
    servers = {ip for party in parties for ip in party.servers}
    own = {name: set(found) for name, found in given.items()}
    for party in parties:
        found = own.setdefault(party.name, set())
        found |= party.own(relays, is_needed=not given)
        if len(parties) > 1:  # else there are no files to search for them
            party.note_unknown(found, relays, servers)
    return own


def _exclude_shared(own: dict[str, set[IP]]) -> Iterator[Gap]:
    """Take out addresses that two parties behind one NAT share: each knows them as its own."""
    owners: dict[IP, list[str]] = {}
    for name, found in own.items():
        for ip in found:
            owners.setdefault(ip, []).append(name)
    for ip, names in owners.items():
        if len(names) > 1:
            for name in names:
                own[name].discard(ip)
            others = ", ".join(names[1:])
            text = f"it shares an address with {others}; the audit does not search for that one"
            yield Gap("shared_address", names[0], 1, text)


def _exposures(party: Party, secrets: Sequence[Secret]) -> list[Exposure]:
    """Find each of these addresses in what the party could see, by encoding and kind of place."""
    addresses = [secret.ip for secret in secrets]
    found: dict[tuple[object, ...], Exposure] = {}
    for source in party.sources:
        contents = Contents(source.path)
        for hit in search(_items(party, source, contents), addresses):
            where = _place(source.path, hit)
            key = (hit.address, hit.spelling, where.file, where.layer)
            if key in found:
                found[key].count += 1
            else:
                secret = secrets[hit.address]
                found[key] = Exposure(secret, party.name, hit.spelling, hit.is_short, where)
    return list(found.values())


def _items(party: Party, source: Source, contents: Contents) -> Iterator[Item]:
    """Yield what the party could see: its packets, and the descriptions that others wrote."""
    numbers = count(1)
    if contents.is_capture:
        streams = Streams()
        for _, packet in packets(contents):
            number = next(numbers)
            yield item_of_packet(number, packet)
            yield from (Item(number, seam.data, seam=seam.at) for seam in streams.take(packet))
    for description in contents.descriptions:
        if not party.wrote(description, source):
            yield Item(next(numbers), description.data)


def _place(path: Path, hit: Hit) -> Place:
    packet = hit.item.packet
    if packet is not None:
        layer = _layer(packet, hit.offset)
        return Place(path.name, "packet", hit.item.number, layer, hit.offset)
    if hit.item.seam:
        return Place(path.name, "packet", hit.item.number, "TCP stream", hit.offset)
    number, layer = place(hit.item.data, hit.offset)
    return Place(path.name, "line", number, layer, hit.offset)


def _layer(packet: Packet, offset: int) -> str:
    """Name the part of a packet that an offset is in."""
    if not packet.version:
        return "a frame that is not IP"
    if offset < packet.network_at:
        return "link header"
    if offset < packet.transport_at:
        return "IP header"
    if packet.protocol in _ICMP:
        return "ICMP message"
    if offset < packet.payload_at:
        return "transport header"
    innermost = "trailer"
    for layer in layers(packet):
        if layer.start <= offset < layer.end:
            innermost = layer.kind.value
    return innermost
