"""Where the relay listens, and what its relayed addresses are."""

import ipaddress
import re

from relay.tools.coturn.host import Host
from relay.tools.coturn.lines import Line
from relay.tools.coturn.reading import Reading

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PLAIN, _TLS = 3478, 5349
"""What coturn takes where nothing is said."""

_WILDCARDS: dict[int, IPAddress] = {
    4: ipaddress.IPv4Address(0),
    6: ipaddress.IPv6Address(0),
}
_LOOPBACKS: dict[int, IPAddress] = {
    4: ipaddress.IPv4Address("127.0.0.1"),
    6: ipaddress.IPv6Address(1),
}
_SHOWN = {4: "IPv4", 6: "IPv6"}
_AUX = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<v4>[^\[\]:]*)):(?P<port>[0-9]{1,5})", re.A)
_NOT_NUMERIC = "expected a numeric address"


def relay_addresses(reading: Reading, host: Host) -> list[str]:
    """What `relay.addresses` becomes: one per family, PUBLIC/LOCAL behind NAT."""
    told = {_version(each): each for each in host.told}
    found: dict[int, str] = {}
    spare: dict[int, str] = {}
    for line in reading.lines("external-ip"):
        _external(reading, line, found, spare)
    local = [*_ips(reading, "relay-ip"), *_ips(reading, "listening-ip", is_said=False)]
    for line, ip in local:
        if ip.is_unspecified:
            continue
        if ip.version not in found:
            found[ip.version] = _pair(spare.pop(ip.version, ""), str(ip))
        elif line.name == "relay-ip" and str(ip) not in found[ip.version].split("/"):
            reading.refuse(line, f"relay.addresses has one of {_SHOWN[ip.version]} already")
    is_empty = not {*told, *found, *spare}
    for each in host.own:
        version = _version(each)
        if version not in told and (is_empty or version in spare):
            found[version] = _pair(spare.pop(version, ""), each)
            reading.say(
                f"relay.addresses: {each} is an address of this host; coturn looks for it at each "
                "start"
            )
    every = spare | found | told
    return [every[version] for version in sorted(every)]


def _version(text: str) -> int:
    return 6 if ":" in text else 4


def _pair(public: str, local: str) -> str:
    return f"{public}/{local}" if public and public != local else local


def _external(reading: Reading, line: Line, found: dict[int, str], spare: dict[int, str]) -> None:
    """Take `PUBLIC/LOCAL` as it is, and keep a PUBLIC until its local address is known."""
    public, separator, local = line.value.partition("/")
    told, known = _ip(public), _ip(local) if separator else None
    if told is None or (separator and (known is None or known.version != told.version)):
        reading.refuse(line, f"{_NOT_NUMERIC}, or PUBLIC/LOCAL")
    elif told.version in {*found, *spare}:
        reading.refuse(line, f"relay.addresses has one of {_SHOWN[told.version]} already")
    elif known is None or known == told:
        spare[told.version] = str(told)
    else:
        found[told.version] = f"{told}/{known}"


def listeners(reading: Reading, families: set[int], *, has_tls: bool) -> list[str]:
    """What `listen` becomes.

    Args:
        families: 4 and 6, those of the relay addresses: a wildcard is for these.
        has_tls: there is a certificate.
    """
    ips = _listening(reading, families)
    plain = [(str(ip), port) for port in _ports(reading, "", _PLAIN) for ip in ips]
    plain += _aux(reading)
    secure = [(str(ip), port) for port in _ports(reading, "tls-", _TLS) for ip in ips]
    if not has_tls or reading.is_on("no-tls"):
        secure = []
    urls = [] if reading.is_on("no-udp") else [_url("udp", *each) for each in plain]
    if not reading.is_on("no-tcp"):
        urls += [_url("tcp", *each) for each in plain if each not in secure]
    return list(dict.fromkeys([*urls, *(_url("tls", *each) for each in secure)]))


def api_port(urls: list[str]) -> int:
    """A port for the API: 8080, or the next one that no listener over TCP has."""
    taken = {int(url.rpartition(":")[2]) for url in urls if not url.startswith("udp")}
    return next(port for port in range(8080, 65536) if port not in taken)


def _listening(reading: Reading, families: set[int]) -> list[IPAddress]:
    given = [ip for _, ip in _ips(reading, "listening-ip")]
    if not given and reading.lines("listening-ip"):
        reading.say("listen: this host alone is listened to, since no listening-ip can be read")
        return [_LOOPBACKS[each] for each in sorted(families)]
    if not given:
        return [_WILDCARDS[each] for each in sorted(families)]
    every = {ip.version for ip in given if ip.is_unspecified}
    return [ip for ip in dict.fromkeys(given) if ip.is_unspecified or ip.version not in every]


def _ports(reading: Reading, kind: str, default: int) -> list[int]:
    """The port of a kind of listener, and the second one if RFC 5780 was wanted."""
    first = reading.number(f"{kind}listening-port", default, 1, 65535)
    other = f"alt-{kind}listening-port"
    if (line := reading.last(other)) is None:
        return [first]
    reading.say("a listener like the others: callveil does not do RFC 5780", line)
    return list(dict.fromkeys([first, reading.number(other, first + 1, 1, 65535)]))


def _aux(reading: Reading) -> list[tuple[str, int]]:
    found = []
    for line in reading.lines("aux-server"):
        match = _AUX.fullmatch(line.value)
        ip = _ip((match["v4"] or match["v6"] or "") if match else "")
        if match is None or ip is None or not 0 < int(match["port"]) <= 65535:
            reading.refuse(line, f"{_NOT_NUMERIC} and a port")
        else:
            found.append((str(ip), int(match["port"])))
    return found


def _ips(reading: Reading, name: str, *, is_said: bool = True) -> list[tuple[Line, IPAddress]]:
    found = []
    for line in reading.lines(name):
        ip = _ip(line.value)
        if ip is not None:
            found.append((line, ip))
        elif is_said:
            reading.refuse(line, _NOT_NUMERIC)
    return found


def _ip(text: str) -> IPAddress | None:
    """Read a numeric address of one host. None for any other text."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return None
        ip = ip.ipv4_mapped or ip
    is_one = not ip.is_multicast and str(ip) != "255.255.255.255"
    return ip if is_one else None


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
