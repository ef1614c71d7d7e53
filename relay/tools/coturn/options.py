"""Every option of coturn's, and what becomes of it: one row each.

The names are those of `long_options` in coturn's `mainrelay.c`, 4.5 to 4.7. docs/coturn.md shows
this table, and a test compares.
"""

from enum import Enum
from typing import NamedTuple


class Fate(Enum):
    """What becomes of an option."""

    CARRIED = "carried over"
    SAME = "nothing to do"
    LOST = "not carried over"


class Option(NamedTuple):
    """An option of coturn's.

    Args:
        fate: what becomes of it when it is on.
        text: where it goes, why there is nothing to do, or why it cannot be carried over.
        is_switch: it is on or off, and off means that it is not there.
        inert: the value with which it asks for nothing.
    """

    fate: Fate
    text: str
    is_switch: bool = False
    inert: str | None = None


def _carried(text: str, *, is_switch: bool = False, inert: str | None = None) -> Option:
    return Option(Fate.CARRIED, text, is_switch, inert)


def _same(text: str) -> Option:
    return Option(Fate.SAME, text, is_switch=True)


def _lost(text: str, *, inert: str | None = None) -> Option:
    return Option(Fate.LOST, text, inert=inert)


def _off(text: str) -> Option:
    return Option(Fate.LOST, text, is_switch=True)


_DEVICE = "callveil binds addresses, not devices: see listening-ip and relay-ip"
_BEHAVIOUR = "callveil does not do RFC 5780 (NAT behaviour discovery)"
_DATABASE = (
    "callveil has no database: write what is in it into auth.secrets and auth.users, or let the "
    "HTTP API make credentials"
)
_LOG = "the log goes to stderr, and your service manager keeps it; it never holds an address"
_CIPHERS = "TLS is 1.2 or newer, with the ciphers of this host's OpenSSL"
_FIXED = "lifetimes are those of RFC 8656: allocations 600-3600 s, channels 600, permissions 300"
_ADMIN = "callveil has the HTTP API at api.listen, and the commands status, calls, drain and reload"
_DISCOVERY = "a Binding answer has nothing but XOR-MAPPED-ADDRESS"
_ELSEWHERE = "no client is sent elsewhere to share load: have your signaling server name several"

OPTIONS: dict[str, Option] = {
    "listening-ip": _carried("listen"),
    "listening-port": _carried("listen: udp:// and tcp:// on each address"),
    "tls-listening-port": _carried("listen: tls:// on each address, if cert and pkey are there"),
    "alt-listening-port": _carried("listen: udp:// and tcp:// on each address", inert="0"),
    "alt-tls-listening-port": _carried("listen: tls:// on each address", inert="0"),
    "aux-server": _carried("listen: udp:// and tcp:// there"),
    "no-udp": _carried("listen: no udp://", is_switch=True),
    "no-tcp": _carried("listen: no tcp://", is_switch=True),
    "no-tls": _carried("listen: no tls://", is_switch=True),
    "no-dtls": _same("callveil never speaks DTLS with clients: browsers do not"),
    "listening-device": _lost(_DEVICE),
    "relay-device": _lost(_DEVICE),
    "tcp-proxy-port": _lost(
        "name your load balancers in proxy_protocol, and add a tcp:// listener with this port",
        inert="0",
    ),
    "udp-self-balance": _off(_ELSEWHERE),
    "external-ip": _carried("relay.addresses, as PUBLIC/LOCAL; one per family"),
    "relay-ip": _carried("relay.addresses; one per family"),
    "min-port": _carried("relay.ports"),
    "max-port": _carried("relay.ports"),
    "allocation-default-address-family": _lost(
        "a client that names no family gets the one that there is, or that of its listener",
        inert="keep",
    ),
    "keep-address-family": _same("a client that names no family gets that of its listener"),
    "denied-peer-ip": _carried("relay.denied_peers, beside every special-use range"),
    "allowed-peer-ip": _carried("relay.allow_private, and taken out of relay.denied_peers"),
    "no-multicast-peers": _same("multicast and broadcast are no peers"),
    "no-loopback-peers": _same("loopback and the relay's own services are no peers, ever"),
    "allow-loopback-peers": _off("loopback and the relay's own services are no peers, ever"),
    "server-relay": _off("whoever has no permission reaches no client"),
    "no-udp-relay": _off("callveil relays UDP, and nothing else"),
    "no-tcp-relay": _same("RFC 6062 (TCP to peers) is refused"),
    "realm": _carried("realm"),
    "use-auth-secret": _carried("auth.secrets", is_switch=True),
    "static-auth-secret": _carried("auth.secrets"),
    "rest-api-separator": _lost("the separator in usernames is a colon", inert=":"),
    "lt-cred-mech": _carried("auth.users", is_switch=True),
    "user": _carried("auth.users, unless there are secrets: then coturn takes no users"),
    "no-auth": _off("nobody allocates without a credential"),
    "oauth": _off("RFC 7635 (OAuth): no browser does it"),
    "server-name": _lost("it belongs to OAuth"),
    "check-origin-consistency": _off("callveil takes no notice of ORIGIN"),
    "userdb": _lost(_DATABASE),
    "db": _lost(_DATABASE),
    "psql-userdb": _lost(_DATABASE),
    "sql-userdb": _lost(_DATABASE),
    "mysql-userdb": _lost(_DATABASE),
    "mongo-userdb": _lost(_DATABASE),
    "redis-userdb": _lost(_DATABASE),
    "redis-statsdb": _lost("statistics are at /metrics, and per call in the HTTP API"),
    "secret-key-file": _lost("it belongs to the MySQL database"),
    "no-auth-pings": _same("there is no database to ask"),
    "no-dynamic-ip-list": _same("there is no database to ask"),
    "no-dynamic-realms": _same("there is no database to ask"),
    "secret-ts-exp-time": _lost("a credential expires when its username says so"),
    "user-quota": _carried("limits.allocations_per_user", inert="0"),
    "total-quota": _lost(
        "there is no cap on all allocations together but relay.ports, and one for each user",
        inert="0",
    ),
    "max-bps": _carried("limits.bitrate_bps: eight times as much, in bits", inert="0"),
    "bps-capacity": _lost(
        "there is no cap on all clients together; limits.bitrate_bps is for each", inert="0"
    ),
    "stun-only": _off("callveil is a TURN relay: leave a server for STUN alone to coturn"),
    "no-stun": _carried("privacy.stun_binding: false", is_switch=True),
    "secure-stun": _carried(
        "privacy.stun_binding: false, since Binding has no credentials here", is_switch=True
    ),
    "no-rfc5780": _same(_BEHAVIOUR),
    "rfc5780": _off(_BEHAVIOUR),
    "no-stun-backward-compatibility": _same(_DISCOVERY),
    "stun-backward-compatibility": _off(_DISCOVERY),
    "response-origin-only-with-rfc5780": _same(_DISCOVERY),
    "fingerprint": _off("an answer has FINGERPRINT if the request had it"),
    "stale-nonce": _lost("nonces expire, after an hour at most"),
    "max-allocate-lifetime": _lost(_FIXED),
    "channel-lifetime": _lost(_FIXED),
    "permission-lifetime": _lost(_FIXED),
    "max-allocate-timeout": _lost("who has no allocation after a few seconds is closed"),
    "mobility": _off("RFC 8016 (mobility): no browser does it; ICE restarts do"),
    "alternate-server": _lost(_ELSEWHERE),
    "tls-alternate-server": _lost(_ELSEWHERE),
    "no-software-attribute": _same("no answer names the software"),
    "prod": _same("no answer names the software"),
    "software-attribute": _off("no answer names the software"),
    "cert": _carried("tls.certificate"),
    "pkey": _carried("tls.key"),
    "pkey-pwd": _lost("the key must be without a passphrase: write one with `openssl pkey`"),
    "raw-public-keys": _off("certificates are X.509"),
    "CA-file": _lost("clients show no certificates"),
    "cipher-list": _lost(_CIPHERS),
    "ec-curve-name": _lost(_CIPHERS),
    "dh-file": _lost(_CIPHERS),
    "dh566": _off(_CIPHERS),
    "dh1066": _off(_CIPHERS),
    "dh2066": _off(_CIPHERS),
    "no-sslv2": _same(_CIPHERS),
    "no-sslv3": _same(_CIPHERS),
    "no-tlsv1": _same(_CIPHERS),
    "no-tlsv1_1": _same(_CIPHERS),
    "no-tlsv1_2": _off(_CIPHERS),
    "tlsv1": _off(_CIPHERS),
    "tlsv1_1": _off(_CIPHERS),
    "proc-user": _carried("user"),
    "proc-group": _lost("the daemon takes the group of `user`"),
    "daemon": _off("callveil stays in the foreground: your service manager does the rest"),
    "pidfile": _lost("callveil stays in the foreground: your service manager does the rest"),
    "relay-threads": _lost("there are no threads to count: the kernel path has every core"),
    "cpus": _lost("there are no threads to count: the kernel path has every core"),
    "ne": _lost("there is one network engine"),
    "verbose": _off("`callveil serve --log-level debug`; no level shows an address"),
    "Verbose": _off("`callveil serve --log-level debug`; no level shows an address"),
    "log-file": _lost(_LOG),
    "no-stdout-log": _off(_LOG),
    "syslog": _off(_LOG),
    "syslog-facility": _lost(_LOG),
    "simple-log": _off(_LOG),
    "new-log-timestamp": _off("times in the log are ISO 8601, in UTC"),
    "new-log-timestamp-format": _lost("times in the log are ISO 8601, in UTC"),
    "log-binding": _off("who asks for a Binding is in no log; /metrics counts them"),
    "prometheus": _same("/metrics of the HTTP API, at api.listen, is for Prometheus"),
    "prometheus-port": _lost("/metrics is at api.listen"),
    "prometheus-address": _lost("/metrics is at api.listen"),
    "prometheus-path": _lost("/metrics is at api.listen"),
    "prometheus-username-labels": _off("no label of a metric names a user"),
    "no-cli": _same("there is no telnet console"),
    "cli": _off(_ADMIN),
    "cli-ip": _lost(_ADMIN),
    "cli-port": _lost(_ADMIN),
    "cli-password": _lost(_ADMIN),
    "cli-max-output-sessions": _lost(_ADMIN),
    "web-admin": _off(_ADMIN),
    "web-admin-ip": _lost(_ADMIN),
    "web-admin-port": _lost(_ADMIN),
    "web-admin-listen-on-workers": _off(_ADMIN),
    "acme-redirect": _lost("callveil answers no HTTP to clients: let certbot use port 80"),
    "respond-http-unsupported": _off("callveil answers no HTTP to clients"),
    "version": _lost("it belongs to the command line: `callveil --version`"),
}
