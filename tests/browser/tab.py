"""One person's page of the demo in one browser."""

import re
from typing import Any, NamedTuple

from playwright.sync_api import Page, expect

from tests.kit.polling import PATIENCE_S

PATIENCE_MS = 1000 * PATIENCE_S
expect.set_options(timeout=PATIENCE_MS)

_REMEMBER = """
    const Original = RTCPeerConnection;
    window.connections = [];
    window.RTCPeerConnection = class extends Original {
        constructor(...given) { super(...given); window.connections.push(this); }
    };
    window.opened = [];
    const devices = window.MediaDevices?.prototype ?? {};
    const { getUserMedia } = devices;
    devices.getUserMedia = async function (...given) {
        const stream = await getUserMedia.apply(this, given);
        window.opened.push(stream);
        return stream;
    };
"""
"""Keeps what the page makes and opens, so that a test asks the browser itself and not the page."""

_PAIRS = """async () => {
    const live = connections.filter((each) => each.connectionState === "connected");
    let report, all, chosen;
    do {
        report = await live.at(-1).getStats();
        all = [...report.values()];
        chosen = all.filter((each) => each.type === "transport")
            .map((each) => report.get(each.selectedCandidatePairId));
    } while (!chosen.every(Boolean));  // a moment after it has connected
    const of = (pair, side) => report.get(pair[side + "CandidateId"]);
    return {
        pairs: chosen.map((pair) => [of(pair, "local"), of(pair, "remote")]),
        remote: all.filter((each) => each.type === "remote-candidate"),
        frames: all.find((each) => each.type === "inbound-rtp" && each.kind === "video")
            ?.framesDecoded ?? 0,
    };
}"""


class Measured(NamedTuple):
    """What the browser says of its connection: W3C `RTCStats`, as they come."""

    pairs: list[tuple[dict[str, Any], dict[str, Any]]]
    remote: list[dict[str, Any]]
    frames: int


class Tab:
    """Does what a person does, and reads what they see."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.faults: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(_REMEMBER)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if _is_bad(said) else None)

    def sign_in(self, url: str) -> None:
        """Open the page, and give the name."""
        self.page.goto(url)
        self.page.get_by_label("Your name").fill(self.name)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_text("Signed in as")).to_be_visible()

    def add(self, name: str, *, follow: bool) -> None:
        """Take somebody among the contacts."""
        self.page.get_by_label("Name of somebody").fill(name)
        self.page.get_by_role("button", name="Add", exact=True).click()
        if follow:
            self.toggle("Follow", "May call you")

    def toggle(self, fact: str, shown: str) -> None:
        """Change what this person thinks of the one contact, and wait for what follows."""
        self.press(fact)
        expect(self.page.get_by_text(shown, exact=True)).to_be_visible()

    def set_privacy(self, is_on: bool) -> None:
        """Switch enhanced call privacy."""
        self.page.get_by_role("switch", name="Enhanced call privacy").set_checked(is_on)

    def call(self, name: str) -> None:
        """Press the button."""
        self.page.get_by_role("button", name=f"Call {name}").click()

    def press(self, button: str) -> None:
        """A button of the call."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def until_rung(self, name: str) -> None:
        """Wait for a call to come in."""
        expect(self.page.get_by_role("dialog")).to_contain_text(f"{name} is calling")

    def until_state(self, state: str) -> None:
        """Wait for the call to come to a state."""
        expect(self.page.locator("#stage")).to_have_attribute("data-state", state)

    def until_said(self, words: str) -> None:
        """Wait for the status line."""
        expect(self.page.get_by_role("status")).to_contain_text(words)

    def until_counted(self) -> None:
        """Wait until the relay has told of this side's allocation."""
        first = self.page.locator("#statistics tbody tr").first
        expect(first).to_contain_text(re.compile("UDP|TCP|TLS"))

    def until_path(self, path: str) -> None:
        """Wait until the media takes this path."""
        expect(self.page.locator("#path")).to_have_attribute("data-path", path)

    def until_more_frames(self) -> None:
        """Wait until more video of the other side has been decoded than by now."""
        seen = self.measure().frames
        self.page.wait_for_function(f"async () => (await ({_PAIRS})()).frames > {seen} + 10")

    def until_code(self) -> str:
        """The six digits, once they are there."""
        code = self.page.locator("#code")
        expect(code).to_have_text(re.compile(r"^\d{3} \d{3}$"))
        return code.inner_text()

    def addresses(self, whose: str) -> set[str]:
        """The addresses that the panel lists: `seen-of-you` or `seen-of-them`."""
        return set(self.page.locator(f"#{whose}-list code").all_inner_texts())

    def verdict(self, whose: str) -> str:
        """What it says of them: `none`, `relayed` or `own`."""
        return self.page.locator(f"#{whose}").get_attribute("data-verdict") or ""

    def measure(self) -> Measured:
        """Ask the browser."""
        return Measured(**self.page.evaluate(_PAIRS))

    def text(self) -> bytes:
        """Everything the page holds."""
        return self.page.content().encode()


def _is_bad(said: Any) -> bool:
    return said.type in ("error", "warning")
