"""The demo in the laboratory, and two browsers that open it, each where one of the parties is."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, Playwright, sync_playwright

from tests.browser import portrait
from tests.browser.tab import Tab
from tests.kit.api import TOKEN
from tests.kit.namespaces import Namespace
from tests.kit.polling import wait_until
from tests.kit.requirements import PACKAGES, require
from tests.lab.relay import NAME, Relay
from tests.lab.topology import RELAY, Lab

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "test-output"
CHROMIUM = "/usr/bin/chromium"
PORT = 8081
URL = f"http://{RELAY.v4}:{PORT}/"

_FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    f"--unsafely-treat-insecure-origin-as-secure={URL}",
    f"--host-resolver-rules=MAP {NAME} {RELAY.v4}",
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

_HOME_ROUTER = """
table inet firewall {
    chain in {
        type filter hook input priority filter;
        iifname "uplink" meta l4proto udp drop
    }
}
"""
"""What comes unasked is dropped and not answered, or two NATs would never let a call through."""


class Tabs(NamedTuple):
    """Both ends."""

    alice: Tab
    bob: Tab


@pytest.fixture(scope="module")
def demo(relay: Relay) -> Iterator[str]:
    """The URL of the demo page, served beside the relay."""
    process = relay.lab.popen(
        relay.lab.relay,
        [sys.executable, "-m", "examples.signaling", "--host", RELAY.v4, "--port", str(PORT)],
        cwd=ROOT,
        env=os.environ | {"CALLVEIL_API_TOKEN": TOKEN},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: _listens(relay.lab), "the demo is served")
    yield URL
    assert process.poll() is None


@pytest.fixture(scope="module")
def tabs(demo: str, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    """Alice where the caller is, Bob where the callee is; she may call him."""
    require(PACKAGES | {"chromium": "chromium"})
    OUTPUT.mkdir(exist_ok=True)
    for router in (lab.caller_nat, lab.callee_nat):
        router.run(["nft", "-f", "-"], _HOME_ROUTER)
    directory = tmp_path_factory.mktemp("browsers")
    with sync_playwright() as playwright:
        alice = Tab(launch(playwright, lab.caller, directory / "alice", (150, 108)), "alice")
        bob = Tab(launch(playwright, lab.callee, directory / "bob", (108, 152)), "bob")
        for tab in (alice, bob):
            tab.sign_in(demo)
        alice.add("bob", follow=False)
        bob.add("alice", follow=True)
        yield Tabs(alice, bob)
        assert alice.faults + bob.faults == []
        for tab in (alice, bob):
            tab.page.context.close()


def launch(playwright: Playwright, where: Namespace, directory: Path, hue: tuple[int, int]) -> Page:
    """A browser of its own, which runs inside a namespace, and its one page."""
    directory.mkdir()
    portrait.write(directory / "camera.y4m", hue)
    launcher = directory / "chromium"
    # It makes a socket in TMPDIR, whose path may have 107 bytes (unix(7)).
    command = " ".join(where.command([CHROMIUM]))
    launcher.write_text(f'#!/bin/sh\nTMPDIR=/tmp exec {command} "$@"\n')
    launcher.chmod(0o755)
    context = playwright.chromium.launch_persistent_context(
        directory / "profile",
        executable_path=launcher,
        args=[*_FLAGS, f"--use-file-for-fake-video-capture={directory / 'camera.y4m'}"],
        viewport={"width": 1280, "height": 860},
    )
    return context.pages[0]


def _listens(lab: Lab) -> bool:
    with lab.relay.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((RELAY.v4, PORT)) == 0
