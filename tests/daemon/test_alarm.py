"""What the daemon says by itself when somebody attacks it."""

import logging

import pytest

from relay import logs
from relay.address import ClientAddress, FiveTuple, Transport
from relay.daemon.alarms import ALARM_INTERVAL_S, NAMES_INTERVAL_S
from relay.errors import DropReason
from tests.daemon.stage import Stage, do
from tests.kit import wire
from tests.kit.daemon import SECRET
from tests.kit.loops import on_uvloop


def guess(stage: Stage, count: int) -> None:
    """ChannelData on the usual first channel, from as many addresses."""
    for number in range(count):
        address = ClientAddress(bytes((198, 51, 100, 7)), 1024 + number)
        five_tuple = FiveTuple(Transport.UDP, address, stage.udp.address)
        stage.engine.receive(wire.channel_data(0x4000, b"guess"), five_tuple)


@on_uvloop
async def test_who_guesses_addresses_is_told_of_once_a_minute_and_without_any(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        guess(stage, 5000)
        stage.pass_time(1)
    (record,) = caplog.records
    assert record.getMessage() == "addresses_guessed"
    assert record.datagrams > 3000  # type: ignore[attr-defined]  # given as extra
    stage.pass_time(ALARM_INTERVAL_S)
    assert len(caplog.records) == 2  # what came after the first
    stage.pass_time(ALARM_INTERVAL_S)
    assert len(caplog.records) == 2  # nothing more has come
    assert b'callveil_drops_total{path="user",reason="guessed"}' in stage.engine.metrics()
    assert stage.drops(DropReason.GUESSED) > 10_000


@on_uvloop
async def test_a_few_strangers_are_no_alarm(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(20):
        guess(stage, 100)
        stage.pass_time(1)
    assert caplog.records == []


@on_uvloop
async def test_credentials_that_name_no_call_are_told_of_once_an_hour_with_their_number(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    expiry = int(stage.clocks.now().wall) + 100_000
    for name in ("@alice:example.org", "alice", "alice"):
        username = f"{expiry}:{name}"
        client = stage.client_with(username, wire.rest_password(SECRET, username), stage.udp)
        assert (await do(client.allocate)).code == 401
    stage.pass_time(1)
    (record,) = caplog.records
    assert record.getMessage() == "credentials name no call: set relay.peers"
    assert record.requests == 3  # type: ignore[attr-defined]  # given as extra
    stage.pass_time(NAMES_INTERVAL_S - 2)
    assert (await do(client.allocate)).code == 401
    stage.pass_time(1)
    assert len(caplog.records) == 1
    stage.pass_time(1)
    # It asks again with the new nonce.
    assert [each.__dict__["requests"] for each in caplog.records] == [3, 2]
    assert b'callveil_refused_total{reason="names_no_call"} 5.0' in stage.engine.metrics()
    text = logs.Formatter(as_json=False, own=frozenset()).format(record)
    assert text.endswith("credentials name no call: set relay.peers requests=3")
