"""Makes the configuration that does what a `turnserver.conf` does, as far as callveil does it."""

import posixpath
from typing import Any, NamedTuple

from relay.tools.coturn import addresses, credentials, peers
from relay.tools.coturn.host import Host
from relay.tools.coturn.lines import lines_of
from relay.tools.coturn.reading import Note, Reading

_PORTS = (49152, 65535)
_MOST_BPS = 10**11
"""As much as `limits.bitrate_bps` takes."""

Document = dict[str, Any]


_RELAYS_NOTHING = {"stun-only", "no-udp-relay"}
"""Options with which coturn relays no UDP."""


class Imported(NamedTuple):
    """A configuration, and what there is to say about it.

    Args:
        document: the configuration as a tree.
        notes: what is not carried over, and what is otherwise than with coturn.
        same: options that need no key, with the reason.
    """

    document: Document
    notes: tuple[Note, ...]
    same: dict[str, str]


def convert(content: bytes, host: Host) -> Imported:
    """Convert any bytes. What cannot be carried over is in the notes; nothing is raised."""
    reading = Reading(lines_of(content))
    document: Document = {}
    if realm := credentials.realm(reading):
        document["realm"] = realm
    relayed = addresses.relay_addresses(reading, host)
    tls = _tls(reading, host)
    families = {6 if ":" in each else 4 for each in relayed}
    document["listen"] = addresses.listeners(reading, families, has_tls=bool(tls))
    relay = {"addresses": relayed, "ports": _relay_ports(reading), "peers": "any"}
    document["relay"] = relay | peers.peers(reading)
    document["auth"] = credentials.auth(reading)
    if reading.refused & _RELAYS_NOTHING:
        document["relay"]["peers"] = "call"
        document["auth"] = {"require_registered_call": True}
        reading.say(
            "auth: no credential but the API's is taken, since with this file coturn relays nothing"
        )
    document["privacy"] = _privacy(reading)
    document["limits"] = _limits(reading, has_users="users" in document["auth"])
    document["api"] = _api(document["listen"])
    document["tls"] = tls
    document |= _user(reading)
    kept = {key: value for key, value in document.items() if value or key == "listen"}
    return Imported(kept, tuple(sorted(reading.notes)), reading.same)


def _relay_ports(reading: Reading) -> str:
    low = reading.number("min-port", _PORTS[0], 1024, 65535)
    high = reading.number("max-port", _PORTS[1], 1024, 65535)
    if low > high:
        low, high = _PORTS
        reading.say(f"relay.ports: min-port is above max-port; {low}-{high} is taken")
    return f"{low}-{high}"


def _privacy(reading: Reading) -> Document:
    """Clients are told where they were seen from, as coturn tells them."""
    is_silent = reading.is_on("no-stun") or reading.is_on("secure-stun")
    return {"stun_binding": not is_silent, "mask_mapped_address": False}


def _limits(reading: Reading, *, has_users: bool) -> Document:
    """Caps, of which callveil has some where coturn has none."""
    limits = {}
    if reading.last("user-quota") is not None:
        most = credentials.MOST_ALLOCATIONS
        limits["allocations_per_user"] = reading.number("user-quota", 32, 1, most)
    elif has_users:
        limits["allocations_per_user"] = credentials.MOST_ALLOCATIONS
        reading.say(
            "limits.allocations_per_user: the most there can be, since everybody may share one of "
            "auth.users; coturn has no cap unless user-quota is set"
        )
    else:
        reading.say(
            "limits.allocations_per_user: 32, unless you set it; coturn has no cap unless "
            "user-quota is set"
        )
    if reading.last("max-bps") is not None:
        limits["bitrate_bps"] = 8 * reading.number("max-bps", 10**6, 1, _MOST_BPS // 8)
    else:
        reading.say(
            "limits.bitrate_bps: 8000000 for each allocation, unless you set it; coturn has no cap "
            "unless max-bps is set"
        )
    return limits


def _api(urls: list[str]) -> Document:
    port = addresses.api_port(urls)
    return {} if port == 8080 else {"listen": f"127.0.0.1:{port}"}


def _tls(reading: Reading, host: Host) -> Document:
    """The files of the certificate. Without them coturn starts and has no TLS, and so do we."""
    certificate, key = reading.last("cert"), reading.last("pkey")
    if certificate is None or key is None:
        for line in filter(None, (certificate, key)):
            reading.refuse(line, "TLS needs both, cert and pkey; without them there is no tls://")
        return {}
    if reading.is_on("no-tls"):
        return {}
    files = {
        "certificate": posixpath.join(host.directory, certificate.value),
        "key": posixpath.join(host.directory, key.value),
    }
    if fault := host.pair_fault(files["certificate"], files["key"]):
        reading.refuse(certificate, f"{fault}; without it there is no tls://")
        return {}
    return files


def _user(reading: Reading) -> Document:
    line = reading.last("proc-user")
    if line is None:
        return {}
    if not credentials.is_account(line.value):
        reading.refuse(line, "expected the name of a user of this host")
        return {}
    return {"user": line.value}
