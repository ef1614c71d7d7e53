"""Media servers outside of the relay: listed ones for users, and declared ones in a closed call."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from itertools import count

import pytest

from relay.address import IPV4, IPV6, PeerAddress
from relay.stun.message import Method
from relay.tools.audit.packets import UDP as UDP_PACKET
from tests.kit import wire
from tests.kit.daemon import SECRET, Config
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential
from tests.lab.calls import TCP, TLS, UDP, Access, connect
from tests.lab.capture import Capture, capturing
from tests.lab.relay import Relay
from tests.lab.topology import CALLER, RELAY, SINK, Lab

LOW, HIGH = 10_000, 10_999
CONFIG: Config = {
    "relay": {
        "peers": "listed",
        "listed_peers": [f"{SINK.v4}:{LOW}-{HIGH}", f"[{SINK.v6}]:{LOW}-{HIGH}"],
        "allow_private": [f"{SINK.v4}/32", f"{SINK.v6}/128"],
    },
    "auth": {"secrets": [SECRET]},
    "limits": {"unauthenticated_per_s": 1000},
}

_CHANNEL = 0x4001
_FORBIDDEN = 403
_ATTEMPTS = 4_000
_numbers = count(1)


def user() -> Credential:
    """A user of its own."""
    username = f"99999999999:user{next(_numbers)}"
    return Credential(username, wire.rest_password(SECRET, username))


@contextmanager
def allocated(
    relay: Relay, how: Access, family: int, credential: Credential
) -> Iterator[TurnClient]:
    """A client at the caller's place with a relayed address of this family."""
    with connect(relay, relay.lab.caller, how, credential) as client:
        assert client.allocate(wire.requested_family(family)).code == 0
        yield client
        client.request(Method.REFRESH, wire.lifetime(0))


@contextmanager
def media_server(lab: Lab, family: int) -> Iterator[tuple[socket.socket, PeerAddress]]:
    """A socket at a listed port."""
    host = SINK.v4 if family == IPV4 else SINK.v6
    af = socket.AF_INET if family == IPV4 else socket.AF_INET6
    with lab.sink.socket(af, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.bind((host, LOW + next(_numbers)))
        yield sock, PeerAddress(ip_address(host).packed, sock.getsockname()[1])


def echo(client: TurnClient, sock: socket.socket, data: bytes) -> None:
    """What the client says on its channel arrives as it is, and what is answered arrives on it."""
    client.send_on(_CHANNEL, data)
    came, source = sock.recvfrom(2048)
    assert came == data
    assert source[0] in RELAY
    assert source[1] == client.relayed.port
    sock.sendto(b"\x80back " + data, source)
    frame = client.receive()
    assert frame is not None
    size = int.from_bytes(frame[2:4])
    assert frame[4 : 4 + size] == b"\x80back " + data


@pytest.mark.parametrize("how", [UDP, TCP, TLS], ids=["udp", "tcp", "tls"])
@pytest.mark.parametrize("family", [IPV4, IPV6], ids=["v4", "v6"])
def test_a_user_and_a_listed_media_server_exchange_data(
    relay: Relay, how: Access, family: int
) -> None:
    with (
        allocated(relay, how, family, user()) as client,
        media_server(relay.lab, family) as (sock, address),
    ):
        assert client.bind(_CHANNEL, address) == 0
        for size in (12, 13, 160, 1100):
            echo(client, sock, b"\x80" + bytes(size - 1))


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=["v4", "v6"])
def test_the_parties_of_a_closed_call_and_its_media_server_exchange_data(
    relay: Relay, family: int
) -> None:
    with media_server(relay.lab, family) as (sock, address):
        host, port = address.reveal()
        parties = [
            {"id": "alice", "enhanced_call_privacy": True},
            {"id": "bob", "enhanced_call_privacy": True},
            {"id": "sfu", "address": host, "ports": f"{port}-{port + 1}"},
        ]
        created = relay.ask("POST", "/v1/calls", {"parties": parties, "ring": False}).body
        assert created.get("masked") == ["alice", "bob"], created
        assert created["parties"]["sfu"].keys() == {"leg"}
        servers = created["parties"]["alice"]["rtc_configuration"]["iceServers"][0]
        credential = Credential(servers["username"], servers["credential"])
        with allocated(relay, UDP, family, credential) as client:
            assert client.bind(_CHANNEL, address) == 0
            echo(client, sock, b"\x80 in a closed call")
            for wrong in (
                PeerAddress(address.packed, port + 2),
                PeerAddress(ip_address(CALLER.public.v4).packed, port),
            ):
                assert client.permit(wrong) in (_FORBIDDEN, 443)
            shown = relay.ask("GET", f"/v1/calls/{created['id']}").body["parties"]
            assert shown["alice"]["packets"] == shown["sfu"]["packets"] == 1
            assert relay.ask("DELETE", f"/v1/calls/{created['id']}/parties/sfu").status == 204
            client.send_on(_CHANNEL, b"\x80 too late")
            sock.settimeout(0.5)
            with pytest.raises(TimeoutError):
                sock.recvfrom(2048)


@pytest.fixture(scope="module")
def captures(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Capture]]:
    """Both interfaces of the relay, and the sink, which owns what nobody else does."""
    directory = tmp_path_factory.mktemp("captures")
    with capturing(lab, directory, ["relay", "relay-lo", "sink"]) as running:
        yield running


def unlisted(rng: random.Random) -> PeerAddress:
    """An address that is not on the list: another port of a listed one, or of anybody."""
    port = rng.choice([rng.randrange(LOW), rng.randrange(HIGH + 1, 65536)])
    if rng.random() < 0.3:
        return PeerAddress(ip_address(SINK.v4).packed, port)
    packed = rng.randbytes(4)
    return PeerAddress(packed if packed != ip_address(SINK.v4).packed else b"\1\1\1\1", port)


def test_attempts_at_addresses_outside_the_list_leave_no_packet(
    relay: Relay, captures: dict[str, Capture]
) -> None:
    rng = random.Random(10)
    with allocated(relay, UDP, IPV4, user()) as client:
        before = {name: len(capture.packets()) for name, capture in captures.items()}
        for number in range(_ATTEMPTS):
            address = unlisted(rng)
            if number % 100 == 0:
                assert client.permit(address) == _FORBIDDEN
                assert client.bind(_CHANNEL + number // 100, address) == _FORBIDDEN
            client.send(address, b"anybody there?")
            client.send_on(_CHANNEL + number // 100, b"anybody there?")
        after = {name: capture.packets()[before[name] :] for name, capture in captures.items()}
    answered = {CALLER.public.v4, *RELAY}
    for packets in after.values():
        sent = [p for p in packets if p.source in RELAY and p.protocol == UDP_PACKET]
        assert [p for p in sent if p.destination not in answered] == []
    assert [p for p in after["sink"] if p.source in RELAY and p.protocol == UDP_PACKET] == []
