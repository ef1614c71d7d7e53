"""Two browsers that have IPv6 alone complete a call, naming no address family, as browsers do."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.fixtures import launch
from tests.kit.daemon import Config
from tests.kit.requirements import PACKAGES, require
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import RELAY, Lab

CONFIG: Config = {
    "listen": [f"udp://[{RELAY.v6}]:{UDP_PORT}"],
    "relay": {"addresses": [RELAY.v6]},
}

_GATHER = """async ([configuration, offer]) => {
    const connection = window.connection = new RTCPeerConnection(configuration);
    window.heard = new Promise((resolve) => {
        const talk = (channel) => {
            channel.onmessage = ({data}) => resolve(data);
            channel.onopen = () => channel.send(offer ? "from bob" : "from alice");
        };
        if (offer) connection.ondatachannel = ({channel}) => talk(channel);
        else talk(connection.createDataChannel("data"));
    });
    if (offer) await connection.setRemoteDescription(offer);
    await connection.setLocalDescription();
    while (connection.iceGatheringState !== "complete")
        await new Promise((resolve) => setTimeout(resolve, 20));
    return connection.localDescription.toJSON();
}"""
_ANSWERED = "(answer) => connection.setRemoteDescription(answer)"
_PAIR = """async () => {
    const report = [...(await connection.getStats()).values()];
    const chosen = report.find((each) => each.type === "candidate-pair" && each.nominated);
    return report.filter((each) => [chosen.localCandidateId, chosen.remoteCandidateId]
        .includes(each.id)).map(({candidateType, address}) => [candidateType, address]);
}"""


@pytest.fixture(scope="module")
def without_ipv4(lab: Lab) -> None:
    """Neither party has an IPv4 address but loopback's."""
    for where in (lab.caller, lab.callee):
        where.run(["ip", "-4", "address", "flush", "scope", "global"])
        assert "inet " not in where.run(["ip", "-4", "address", "show", "scope", "global"]).stdout


def _gather(page: Page, party: Any, offer: object = None) -> Any:
    return page.evaluate(_GATHER, [party["rtc_configuration"], offer])


def test_chromium_completes_a_call(
    without_ipv4: None, relay: Relay, lab: Lab, tmp_path: Path
) -> None:
    require(PACKAGES | {"chromium": "chromium"})
    call = relay.create_call()
    with sync_playwright() as playwright:
        alice = launch(playwright, lab.caller, tmp_path / "alice", (150, 108))
        bob = launch(playwright, lab.callee, tmp_path / "bob", (108, 152))
        offer = _gather(alice, call["parties"]["caller"])
        answer = _gather(bob, call["parties"]["callee"], offer)
        alice.evaluate(_ANSWERED, answer)
        assert alice.evaluate("heard") == "from bob"
        assert bob.evaluate("heard") == "from alice"
        for page in (alice, bob):
            pair = page.evaluate(_PAIR)
            assert pair == [["relay", RELAY.v6]] * 2
            page.context.close()
    relay.end_call(call)
