"""docs/signaling/{nextcloud,livekit}.md: credentials made as these make them, at the relay."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.turn import Credential
from tests.signaling.stage import (
    EXAMPLES_ARE_NETWORKS,
    MEDIA_SERVER,
    NAME,
    SECRET,
    assert_does_not_reach,
    assert_media_crosses,
    assert_reaches,
    block,
    expiry,
    relaying,
    rest,
    run_checks,
)

_DAY_S = 86_400


def _nextcloud(random: str = "kF3zQ9vLp0XyTb7d") -> Credential:
    """As `getTurnSettings` of Talk's `Config.php`: 24 hours, and 16 random characters."""
    return rest(f"{expiry(_DAY_S)}:{random}")


def _livekit(participant: str) -> Credential:
    """As LiveKit makes it of `secret`: the expiry, and the participant's id."""
    return rest(f"{expiry()}:{participant}")


def _with(page: str, first: str, second: str) -> str:
    """A configuration of a page, with the sections of a second block in place of its own."""
    merged: dict[str, Any] = yaml.safe_load(block(page, "yaml", having=first))
    return yaml.safe_dump(merged | yaml.safe_load(block(page, "yaml", having=second)))


def test_two_clients_of_talk_hear_each_other(tmp_path: Path) -> None:
    with relaying(tmp_path, block("nextcloud", "yaml", having="peers: relay")) as place:
        for transport in ("udp", "tcp", "tls"):
            with (
                place.client(_nextcloud("kF3zQ9vLp0XyTb7d"), transport) as one,
                place.client(_nextcloud("Zr5hW1mNc8JuEa2s"), "udp") as other,
            ):
                assert_media_crosses(one, other)
        assert "ok" in run_checks("nextcloud", place)[0].out


def test_a_client_of_talk_reaches_the_backend_and_nothing_else(tmp_path: Path) -> None:
    configuration = _with("nextcloud", "peers: relay", "peers: listed")
    with (
        relaying(tmp_path, configuration, EXAMPLES_ARE_NETWORKS) as place,
        place.client(_nextcloud(), "tls") as client,
    ):
        assert_reaches(client, MEDIA_SERVER, 20_000)
        assert_does_not_reach(client, MEDIA_SERVER, 19_999)


def test_talk_is_told_of_the_listeners_of_the_relay() -> None:
    (commands,) = _plain("nextcloud")
    assert [line.split()[-3:] for line in commands] == [
        ["turn", f"{NAME}:3478", "udp,tcp"],
        ["turns", f"{NAME}:443", "tcp"],
    ]
    assert all(f"--secret={SECRET}" in line for line in commands)


def _plain(page: str) -> list[list[str]]:
    """The lines of a page's blocks without a language."""
    text = (Path(__file__).parents[2] / f"docs/signaling/{page}.md").read_text()
    parts = text.split("\n```")
    return [part.strip("\n").splitlines() for part in parts[1::2] if part.startswith("\n")]


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_a_participant_reaches_livekit_and_nothing_else(tmp_path: Path, transport: str) -> None:
    configuration = block("livekit", "yaml", having="peers: listed")
    with relaying(tmp_path, configuration, EXAMPLES_ARE_NETWORKS) as place:
        with place.client(_livekit("PA_8h2kQzVvTnLw"), transport) as client:
            assert_reaches(client, MEDIA_SERVER, 50_000)
            assert_does_not_reach(client, MEDIA_SERVER, 49_999)
        assert "ok" in run_checks("livekit", place, EXAMPLES_ARE_NETWORKS)[0].out


def test_participants_with_a_fixed_pair_reach_livekit(tmp_path: Path) -> None:
    configuration = _with("livekit", "peers: listed", "users:")
    (fixed,) = yaml.safe_load(configuration)["auth"]["users"].items()
    with (
        relaying(tmp_path, configuration, EXAMPLES_ARE_NETWORKS) as place,
        place.client(Credential(*fixed)) as client,
    ):
        assert_reaches(client, MEDIA_SERVER, 60_000)


def test_livekit_is_told_of_the_listeners_of_the_relay() -> None:
    told = yaml.safe_load(block("livekit", "yaml", having="turn_servers"))["rtc"]
    assert told["turn_servers"] == [
        {"host": NAME, "port": 3478, "protocol": "udp", "secret": SECRET},
        {"host": NAME, "port": 443, "protocol": "tls", "secret": SECRET},
    ]
    ports = f"{told['port_range_start']}-{told['port_range_end']}"
    listed = yaml.safe_load(block("livekit", "yaml", having="peers: listed"))["relay"]
    assert listed["listed_peers"] == [f"{MEDIA_SERVER}:{ports}"]
