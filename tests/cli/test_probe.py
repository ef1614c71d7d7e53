"""The probe over legs that cannot meet: what it says, and that it leaves nothing behind."""

import os
from collections.abc import Iterator

import pytest

from relay.calls.credentials import mint
from relay.errors import CommandError
from relay.tools.probe import Plan, TurnUrl, run
from tests.kit.daemon import Daemon, serving

SECRET = "a-secret-of-the-probes-tests"
EXPIRY = 2**32


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    listen = '["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]'
    with serving(env={"CALLVEIL__AUTH__SECRETS": SECRET, "CALLVEIL__LISTEN": listen}) as running:
        yield running


def _plan(url: str, *calls: str) -> Plan:
    names = [f"{call}-{os.urandom(8).hex()}" for call in calls]
    first, second = (mint(SECRET, name, leg, EXPIRY) for name, leg in zip(names, "ab", strict=True))
    return Plan(TurnUrl.parse(url), (first, second), count=3)


@pytest.mark.parametrize("index", [0, 1], ids=["udp", "tcp"])
async def test_legs_of_two_calls_are_refused_a_channel_and_deleted(
    daemon: Daemon, index: int
) -> None:
    with pytest.raises(CommandError, match=r"^ChannelBind was refused with 403: check that the"):
        await run(_plan(daemon.urls[index], "one", "other"))
    assert daemon.ask("GET", "/v1/status").body["allocations"] == 0
