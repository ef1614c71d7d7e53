"""A daemon that drains sends clients to another one that is there for them."""

import socket
from pathlib import Path

from tests.kit import wire
from tests.kit.daemon import Daemon, config_of, place_of, running
from tests.kit.wire import Attribute


def _told(answer: wire.Stun) -> tuple[str, int]:
    """ALTERNATE-SERVER. Spec: RFC 8489 section 14.15."""
    value = answer.value(Attribute.ALTERNATE_SERVER)
    assert value[:2] == bytes((0, wire.IPV4))
    return socket.inet_ntoa(value[4:]), int.from_bytes(value[2:4])


def _refused(daemon: Daemon) -> wire.Stun:
    client = daemon.stranger("a-new-call", "alice")
    answer = client.allocate()
    assert answer.is_signed_with(client.turn.key)
    return answer


def test_a_client_is_sent_to_the_other_relay_and_is_let_in_there(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with running(tmp_path / "other") as other, running(tmp_path) as daemon:
        place = place_of(other.urls[0])
        there = f"udp://{place.host}:{place.port}"
        assert daemon.stranger("a-call-that-runs", "alice").allocate().code == 0
        assert daemon.ask("POST", "/v1/drain").status < 300
        assert _refused(daemon).code == 508
        daemon.configure(config_of(relay={"alternates": [there]}))
        assert daemon.ask("POST", "/v1/reload").status < 300
        answer = _refused(daemon)
        assert answer.code == 300
        assert _told(answer) == (place.host, place.port)
        assert other.stranger("a-new-call", "alice").allocate().code == 0
        assert daemon.metric('callveil_requests_total{code="300",method="allocate"}') == 1
