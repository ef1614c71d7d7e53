"""Chromium takes the URLs of `POST /v1/calls` as they come, and finds the relay by its name."""

from tests.browser.fixtures import Tabs
from tests.kit.daemon import Config
from tests.lab.relay import NAME, Relay

CONFIG: Config = {"relay": {"names": [NAME]}}

_GATHER = """async (configuration) => {
    const connection = new RTCPeerConnection(configuration);
    const urls = new Set();
    const faults = [];
    connection.onicecandidateerror = ({url, errorText}) => faults.push(`${url} ${errorText}`);
    connection.onicecandidate = ({candidate}) => candidate?.url && urls.add(candidate.url);
    connection.createDataChannel("");
    await connection.setLocalDescription();
    while (connection.iceGatheringState !== "complete")
        await new Promise((resolve) => setTimeout(resolve, 20));
    connection.close();
    return [[...urls].sort(), faults];
}"""


def test_chromium_allocates_at_the_relay_by_its_name(tabs: Tabs, relay: Relay) -> None:
    """Over TCP, where it looks names up by the rules that the tests start it with."""
    call = relay.create_call()
    configuration = call["parties"]["caller"]["rtc_configuration"]
    (server,) = configuration["iceServers"]
    assert server["urls"] == relay.urls
    assert all(f":{NAME}:" in url for url in relay.urls)
    only = [url for url in relay.urls if url.startswith("turn:") and "tcp" in url]
    configuration["iceServers"] = [server | {"urls": only}]
    urls, faults = tabs.alice.page.evaluate(_GATHER, configuration)
    assert urls == only, faults
    relay.end_call(call)
