"""What becomes of each option that is carried over."""

from typing import Any

import pytest

from relay.tools.coturn import Host
from tests.coturn.converting import HOST, about, converted
from tests.coturn.samples import JITSI, NEXTCLOUD, SYNAPSE


def _document(text: str, host: Host = HOST) -> dict[str, Any]:
    return converted(text, host).document


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("", ["udp://0.0.0.0:3478", "tcp://0.0.0.0:3478"]),
        ("listening-port=3479", ["udp://0.0.0.0:3479", "tcp://0.0.0.0:3479"]),
        ("no-tcp", ["udp://0.0.0.0:3478"]),
        ("no-udp", ["tcp://0.0.0.0:3478"]),
        ("no-udp=0\nno-tcp=1", ["udp://0.0.0.0:3478"]),
        (
            "listening-ip=10.0.0.1\nlistening-ip=fd00::1\nno-tcp",
            ["udp://10.0.0.1:3478", "udp://[fd00::1]:3478"],
        ),
        ("listening-ip=0.0.0.0\nlistening-ip=10.0.0.1\nno-tcp", ["udp://0.0.0.0:3478"]),
        (
            "relay-ip=8.8.4.4\nrelay-ip=2001:4860::1\nno-tcp",
            ["udp://0.0.0.0:3478", "udp://[::]:3478"],
        ),
        (
            "cert=a\npkey=b",
            ["udp://0.0.0.0:3478", "tcp://0.0.0.0:3478", "tls://0.0.0.0:5349"],
        ),
        ("cert=a\npkey=b\nno-tls", ["udp://0.0.0.0:3478", "tcp://0.0.0.0:3478"]),
        (
            "cert=a\npkey=b\nlistening-port=443\ntls-listening-port=443",
            ["udp://0.0.0.0:443", "tls://0.0.0.0:443"],
        ),
        ("no-tcp\nalt-listening-port=80", ["udp://0.0.0.0:3478", "udp://0.0.0.0:80"]),
        (
            "no-tcp\naux-server=10.0.0.2:33478\naux-server=[fd00::2]:5",
            ["udp://0.0.0.0:3478", "udp://10.0.0.2:33478", "udp://[fd00::2]:5"],
        ),
        ("no-udp\nno-tcp", []),
    ],
)
def test_listeners_are_where_coturn_listens(text: str, listen: list[str]) -> None:
    assert _document(text)["listen"] == listen


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("external-ip=8.8.8.8/10.0.0.1", ["8.8.8.8/10.0.0.1"]),
        ("external-ip=8.8.8.8\nrelay-ip=10.0.0.1", ["8.8.8.8/10.0.0.1"]),
        ("external-ip=8.8.8.8\nlistening-ip=10.0.0.1", ["8.8.8.8/10.0.0.1"]),
        ("external-ip=8.8.8.8\nrelay-ip=8.8.8.8", ["8.8.8.8"]),
        ("external-ip=8.8.8.8", ["8.8.8.8/10.9.9.9"]),
        ("relay-ip=8.8.8.8", ["8.8.8.8"]),
        ("listening-ip=8.8.8.8", ["8.8.8.8"]),
        ("listening-ip=0.0.0.0", ["10.9.9.9", "fd99::9"]),
        ("relay-ip=2001:4860::1\nrelay-ip=8.8.8.8", ["8.8.8.8", "2001:4860::1"]),
        ("", ["10.9.9.9", "fd99::9"]),
    ],
)
def test_relay_addresses_are_what_clients_are_told(text: str, addresses: list[str]) -> None:
    host = HOST._replace(own=("10.9.9.9", "fd99::9"))
    assert _document(text, host)["relay"]["addresses"] == addresses


def test_an_address_that_is_told_takes_the_place_of_the_files() -> None:
    host = HOST._replace(told=("8.8.8.8/10.0.0.1",), own=("10.9.9.9",))
    text = "external-ip=9.9.9.9/10.0.0.2\nrelay-ip=fd00::1"
    assert _document(text, host)["relay"]["addresses"] == ["8.8.8.8/10.0.0.1", "fd00::1"]
    assert _document("", host)["relay"]["addresses"] == ["8.8.8.8/10.0.0.1"]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("external-ip=turn.example.org", "external-ip"),
        ("external-ip=8.8.8.8/x", "external-ip"),
        ("external-ip=8.8.8.8/fd00::1", "external-ip"),
        ("external-ip=8.8.8.8/10.0.0.1\nexternal-ip=8.8.8.9/10.0.0.2", "external-ip"),
        ("relay-ip=10.0.0.1\nrelay-ip=10.0.0.2", "relay-ip"),
        ("relay-ip=eth0", "relay-ip"),
        ("listening-ip=224.0.0.1", "listening-ip"),
        ("listening-ip=fe80::1%eth0", "listening-ip"),
        ("listening-port=0", "listening-port"),
        ("tls-listening-port=70000", "tls-listening-port"),
        ("aux-server=10.0.0.1", "aux-server"),
        ("min-port=80", "min-port"),
        ("max-port=many", "max-port"),
        ('realm=a"b', "realm"),
        ("static-auth-secret=", "static-auth-secret"),
        ("static-auth-secret=env:HOME", "static-auth-secret"),
        ("static-auth-secret=file:/etc/shadow", "static-auth-secret"),
        ("use-auth-secret", "use-auth-secret"),
        ("user=nobody", "user"),
        ("user=:password", "user"),
        ("user=ann:0xbc807ee29df3c9ffa736523fb2c4e8ee", "user"),
        ("use-auth-secret\nstatic-auth-secret=abc\nuser=ann:secret", "user"),
        ("user-quota=-5", "user-quota"),
        ("max-bps=fast", "max-bps"),
        ("denied-peer-ip=10.0.0.9-10.0.0.1", "denied-peer-ip"),
        ("denied-peer-ip=10.0.0.1-fd00::1", "denied-peer-ip"),
        ("denied-peer-ip=everybody", "denied-peer-ip"),
        ("allowed-peer-ip=10.0.0.0/8", "allowed-peer-ip"),
        ("allowed-peer-ip=127.0.0.1", "allowed-peer-ip"),
        ("cert=/etc/cert.pem", "cert"),
        ("pkey=/etc/key.pem", "pkey"),
        ("proc-user=two words", "proc-user"),
    ],
)
def test_what_cannot_be_carried_over_is_named(text: str, option: str) -> None:
    imported = converted(text)
    assert about(imported, option)
    said = "\n".join(map(str, imported.notes))
    assert not {word for word in ("env:HOME", "shadow", "bc807", "secret\n") if word in said}


def test_an_unknown_option_is_named_with_what_was_likely_meant() -> None:
    imported = converted("realms=a\nfrobnicate\n=x\n")
    assert [str(note) for note in imported.notes if note.number] == [
        "line 1: realms: not carried over: coturn has no such option; did you mean realm?",
        "line 2: frobnicate: not carried over: coturn has no such option",
        "line 3: not an option, and so not carried over",
    ]


def test_of_what_coturn_knows_once_the_last_line_counts() -> None:
    assert _document("realm=a\nrealm=b")["realm"] == "b"


def test_ports_are_those_of_coturn() -> None:
    assert _document("")["relay"]["ports"] == "49152-65535"
    assert _document("min-port=20000\nmax-port=30000")["relay"]["ports"] == "20000-30000"
    assert _document("min-port=30000\nmax-port=20000")["relay"]["ports"] == "49152-65535"


def test_secrets_are_all_taken_once_each() -> None:
    text = "static-auth-secret=a b\nstatic-auth-secret=c\nstatic-auth-secret=a b"
    assert _document(text)["auth"] == {"secrets": ["a b", "c"]}


def test_users_are_taken_where_there_is_no_secret() -> None:
    text = "lt-cred-mech\nuser=ann:pass:word\nuser=bob:x\nuser=ann:y"
    assert _document(text)["auth"] == {"users": {"ann": "y", "bob": "x"}}
    assert _document(text)["limits"]["allocations_per_user"] == 10_000
    assert _document(f"{text}\nuser-quota=4")["limits"]["allocations_per_user"] == 4


def test_a_rate_in_bytes_becomes_one_in_bits() -> None:
    assert _document("max-bps=250000")["limits"] == {"bitrate_bps": 2_000_000}


def test_a_certificate_is_found_from_the_file_on() -> None:
    host = HOST._replace(directory="/etc/coturn")
    document = _document("cert=tls/a.pem\npkey=/key.pem", host)
    assert document["tls"] == {"certificate": "/etc/coturn/tls/a.pem", "key": "/key.pem"}


def test_without_a_certificate_that_can_be_loaded_there_is_no_tls() -> None:
    host = HOST._replace(pair_fault=lambda _certificate, _key: "it has no key")
    imported = converted("cert=a\npkey=b", host)
    assert "tls" not in imported.document
    assert not [url for url in imported.document["listen"] if url.startswith("tls")]
    assert about(imported, "cert") == ["it has no key; without it there is no tls://"]


@pytest.mark.parametrize(
    ("text", "is_answered"), [("", True), ("no-stun", False), ("secure-stun", False)]
)
def test_binding_is_answered_as_coturn_does(text: str, is_answered: bool) -> None:
    privacy = {"stun_binding": is_answered, "mask_mapped_address": False}
    assert _document(text)["privacy"] == privacy


def test_the_api_gives_way_to_a_listener() -> None:
    assert "api" not in _document("listening-port=8081")
    assert "api" not in _document("listening-port=8080\nno-tcp")
    assert _document("listening-port=8080")["api"] == {"listen": "127.0.0.1:8081"}


def test_everybody_can_be_reached_who_is_not_denied() -> None:
    relay = _document("")["relay"]
    assert relay["peers"] == "any"
    assert not {"denied_peers", "allow_private"} & set(relay)


def test_what_is_denied_by_default_is_not_written() -> None:
    relay = _document("denied-peer-ip=10.0.0.0-11.0.0.255\ndenied-peer-ip=::1")["relay"]
    assert relay["denied_peers"] == ["default", "11.0.0.0/24"]


def test_what_is_allowed_is_taken_out_of_what_is_denied() -> None:
    text = (
        "denied-peer-ip=8.8.8.0-8.8.8.255\nallowed-peer-ip=8.8.8.128-8.8.8.255\n"
        "denied-peer-ip=10.0.0.0-10.255.255.255\nallowed-peer-ip=10.0.0.1\n"
        "allowed-peer-ip=11.0.0.1"
    )
    relay = _document(text)["relay"]
    assert relay["denied_peers"] == ["default", "8.8.8.0/25"]
    assert relay["allow_private"] == ["10.0.0.1/32"]


def test_a_network_is_denied_although_coturn_ignores_it() -> None:
    imported = converted("denied-peer-ip=8.8.8.0/24")
    assert imported.document["relay"]["denied_peers"] == ["default", "8.8.8.0/24"]
    assert about(imported, "denied-peer-ip") == [
        "carried over as the network that it is; coturn ignores it"
    ]


def test_synapses_configuration() -> None:
    imported = converted(SYNAPSE)
    assert imported.document == {
        "realm": "turn.example.org",
        "listen": ["udp://0.0.0.0:3478", "tcp://0.0.0.0:3478", "tls://0.0.0.0:5349"],
        "relay": {
            "addresses": ["8.8.4.4/10.0.0.1"],
            "ports": "49152-65535",
            "peers": "any",
            "allow_private": ["10.0.0.1/32"],
        },
        "auth": {"secrets": ["n4r8vhqXuUZ3EBbmTzLeyQ7wCgJd2kfS"]},
        "privacy": {"stun_binding": True, "mask_mapped_address": False},
        "limits": {"allocations_per_user": 12},
        "tls": {
            "certificate": "/etc/letsencrypt/live/turn.example.org/fullchain.pem",
            "key": "/etc/letsencrypt/live/turn.example.org/privkey.pem",
        },
    }
    assert [note.text.partition(":")[0] for note in imported.notes] == [
        "limits.bitrate_bps",
        "relay.denied_peers",
        "total-quota",
    ]
    assert set(imported.same) == {"no-tcp-relay", "no-multicast-peers"}


def test_nextclouds_configuration() -> None:
    imported = converted(NEXTCLOUD)
    assert imported.document["listen"] == [
        "udp://8.8.4.4:5349",
        "udp://[2001:4860:4860::8844]:5349",
        "tls://8.8.4.4:5349",
        "tls://[2001:4860:4860::8844]:5349",
    ]
    assert imported.document["relay"]["addresses"] == ["8.8.4.4", "2001:4860:4860::8844"]
    assert imported.document["tls"]["key"] == "/etc/coturn/privkey.pem"
    assert {note.text.partition(":")[0] for note in imported.notes if note.number} == {
        *("cipher-list", "fingerprint", "stale-nonce"),
    }


def test_jitsis_configuration() -> None:
    imported = converted(JITSI)
    assert imported.document["listen"] == ["udp://0.0.0.0:3478", "tls://0.0.0.0:5349"]
    assert imported.document["relay"]["addresses"] == ["8.8.4.4/10.0.0.7"]
    assert "denied_peers" not in imported.document["relay"]
    assert {note.text.partition(":")[0] for note in imported.notes if note.number} == {
        *("cipher-list", "syslog"),
    }


@pytest.mark.parametrize("denied", ["dns.google", "10.0.0.1-9.0.0.1", "8.8.8.8 and more"])
def test_a_denied_range_that_cannot_be_read_leaves_nobody_outside(denied: str) -> None:
    document = _document(f"denied-peer-ip={denied}\ndenied-peer-ip=8.8.8.8")
    assert document["relay"]["peers"] == "relay"


def test_a_listening_address_that_cannot_be_read_is_not_every_address() -> None:
    assert _document("listening-ip=localhost\nno-tcp")["listen"] == ["udp://127.0.0.1:3478"]


@pytest.mark.parametrize("option", ["stun-only", "no-udp-relay"])
def test_what_relays_nothing_with_coturn_relays_nothing_for_a_secret(option: str) -> None:
    document = _document(f"{option}\nuse-auth-secret\nstatic-auth-secret=a-long-secret")
    assert document["relay"]["peers"] == "call"
    assert document["auth"] == {"require_registered_call": True}
