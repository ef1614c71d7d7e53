"""docs/signaling/janus.md, with Janus: an echo through the relay, in both ways of the page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay.client import Client
from tests.kit.command import run
from tests.kit.requirements import PACKAGES, require
from tests.signaling import janus
from tests.signaling.stage import (
    EXAMPLES_ARE_NETWORKS,
    MEDIA_SERVER,
    RELAY,
    block,
    expiry,
    relaying,
    rest,
    run_checks,
)

_TOKEN = "f3d1c5e7a9b24680ace13579bdf02468"
_CANDIDATE = re.compile(r"^a=candidate:\S+ \d+ \S+ \d+ (\S+) (\d+) typ (\w+)", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def installed(host: None) -> None:
    """Skip, or fail under CI, where Janus is not."""
    require({**PACKAGES, "janus": "janus", "curl": "curl"})


def _candidates(sdp: str) -> set[tuple[str, str]]:
    """Address and type of each candidate in a description."""
    return {(host, kind) for host, _, kind in _CANDIDATE.findall(sdp)}


def _from_the_relay() -> dict[str, Any]:
    """What the page's command has the relay answer."""
    command = block("janus", "sh", having="curl").replace("\\\n", " ").replace("curl", "curl -sf")
    done = run(["bash", "-c", command])
    assert done.code == 0, done
    configuration: dict[str, Any] = json.loads(done.out)
    return configuration


def test_both_are_behind_the_relay_and_each_sees_nothing_else(tmp_path: Path) -> None:
    recipe = block("janus", "jcfg", having="turn_rest_api")
    with (
        relaying(tmp_path, block("janus", "yaml", having="peers: call")) as place,
        janus.running(tmp_path, recipe),
        janus.client(_from_the_relay()) as party,
    ):
        offer, answer = janus.hear_the_echo(party, "weekly-meeting:alice")
        with Client(place.daemon.api, _TOKEN) as asking:
            (call,) = asking.list_calls()
        assert len(call["parties"]) == 2
        assert all(each["packets"] for each in call["parties"].values())
        assert _candidates(offer) == {(RELAY, "relay")}
        assert (RELAY, "relay") in _candidates(answer)
        run_checks("janus", place)


def test_janus_is_listed_and_the_client_alone_is_behind_the_relay(tmp_path: Path) -> None:
    configuration = yaml.safe_load(block("janus", "yaml", having="peers: call"))
    configuration |= yaml.safe_load(block("janus", "yaml", having="peers: listed"))
    recipe = block("janus", "jcfg", having="rtp_port_range")
    recipe += f'nat: {{ ice_enforce_list = "{MEDIA_SERVER}" }}\n'
    username, password = rest(f"{expiry()}:alice")
    url = f"turn:{RELAY}:3478?transport=udp"
    servers = [{"urls": [url], "username": username, "credential": password}]
    with (
        relaying(tmp_path, yaml.safe_dump(configuration), EXAMPLES_ARE_NETWORKS),
        janus.running(tmp_path, recipe),
        janus.client({"iceServers": servers, "iceTransportPolicy": "relay"}) as party,
    ):
        offer, answer = janus.hear_the_echo(party, "alice")
        assert _candidates(offer) == {(RELAY, "relay")}
        assert _candidates(answer) == {(MEDIA_SERVER, "host")}
