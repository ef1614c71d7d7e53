"""Two Chromium browsers call each other through the demo page, each behind its own NAT.

Their host candidates are not hidden and the relay answers STUN, so that each has something to give
away: in a call without privacy it does, which shows that the tests would notice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.tools.audit.search import Hit, find
from tests.browser.fixtures import OUTPUT, Tabs
from tests.lab.capture import Capture, capturing
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

CONFIG = {"privacy": {"stun_binding": True}}

Captures = dict[str, Capture]


@contextmanager
def calling(tabs: Tabs, *, privacy: bool) -> Iterator[Tabs]:
    """Alice calls Bob, and it rings; she hangs up at the end, if nobody has."""
    tabs.alice.set_privacy(privacy)
    tabs.bob.set_privacy(False)
    tabs.alice.call("bob")
    try:
        tabs.bob.until_rung("alice")
        yield tabs
    finally:
        tabs.alice.press("Hang up")
        for tab in tabs:
            tab.until_said("The call has ended")


def answer(tabs: Tabs, path: str) -> None:
    """Bob accepts, and media takes this path both ways."""
    tabs.bob.press("Accept")
    for tab in tabs:
        tab.until_state("connected")
        tab.until_path(path)
        tab.until_more_frames()


@pytest.fixture
def captures(lab: Lab, tmp_path: Path) -> Iterator[Captures]:
    with capturing(lab, tmp_path, ["caller", "callee"]) as running:
        yield running


def leaks(captures: Captures) -> dict[str, list[Hit]]:
    """Where a party's packets hold an address of the other."""
    return {
        "caller": find(captures["caller"].frames(), *CALLEE.addresses),
        "callee": find(captures["callee"].frames(), *CALLER.addresses),
    }


def test_with_privacy_on_both_sides_see_the_relay_and_nothing_else(
    tabs: Tabs, captures: Captures
) -> None:
    with calling(tabs, privacy=True):
        answer(tabs, "relay")
        for tab in tabs:
            tab.until_counted()
            measured = tab.measure()
            for pair in measured.pairs:
                assert [end["candidateType"] for end in pair] == ["relay", "relay"]
                assert {end["address"] for end in pair} <= set(RELAY)
            assert {each["address"] for each in measured.remote} <= set(RELAY)
            for whose in ("seen-of-you", "seen-of-them"):
                assert tab.addresses(whose) <= set(RELAY)
                assert tab.verdict(whose) == "relayed"
            assert find([tab.text()], *CALLER.addresses, *CALLEE.addresses) == []
        assert tabs.alice.until_code() == tabs.bob.until_code()
        take_screenshots(tabs)
    assert leaks(captures) == {"caller": [], "callee": []}


def test_with_privacy_off_they_connect_directly_and_the_page_says_so(
    tabs: Tabs, captures: Captures
) -> None:
    with calling(tabs, privacy=False):
        answer(tabs, "direct")
        assert tabs.alice.until_code() == tabs.bob.until_code()
        assert set(CALLEE.addresses) & tabs.alice.addresses("seen-of-them")
        assert set(CALLER.addresses) & tabs.alice.addresses("seen-of-you")
        assert set(CALLER.addresses) & tabs.bob.addresses("seen-of-them")
        tabs.alice.page.screenshot(path=OUTPUT / "demo-direct.png", full_page=True)
    assert all(leaks(captures).values())


def test_a_direct_call_moves_to_the_relay_when_one_side_switches_privacy_on(tabs: Tabs) -> None:
    with calling(tabs, privacy=False):
        tabs.bob.press("Accept")
        for tab in tabs:
            tab.until_path("direct")
        tabs.bob.set_privacy(True)
        for tab in tabs:
            tab.until_path("relay")
            tab.until_more_frames()
        assert tabs.alice.until_code() == tabs.bob.until_code()


@pytest.mark.parametrize("privacy", [True, False])
def test_unanswered_nothing_crosses(tabs: Tabs, captures: Captures, privacy: bool) -> None:
    with calling(tabs, privacy=privacy):
        tabs.alice.until_counted()  # she is at the relay, with all her candidates
        assert tabs.alice.verdict("seen-of-you") == "none"
        assert find([tabs.bob.text()], *CALLER.addresses) == []
    assert leaks(captures) == {"caller": [], "callee": []}


def test_blocked_not_admitted_and_absent_are_told_the_same(tabs: Tabs) -> None:
    said = set()
    for fact in ("Block", "Follow"):
        tabs.bob.toggle(fact, "May not call you")
        tabs.alice.call("bob")
        tabs.alice.until_said("bob is not available.")
        said.add(tabs.alice.page.get_by_role("status").inner_text())
        tabs.bob.toggle(fact, "May call you")
    tabs.alice.add("nobody", follow=False)
    tabs.alice.call("nobody")
    tabs.alice.until_said("nobody is not available.")
    said.add(tabs.alice.page.get_by_role("status").inner_text().replace("nobody", "bob"))
    assert len(said) == 1


def take_screenshots(tabs: Tabs) -> None:
    """For people to look at: desktop and telephone, light and dark."""
    for name, scheme, width, height in (
        ("demo", "light", 1280, 860),
        ("demo-dark", "dark", 1280, 860),
        ("demo-phone", "light", 390, 844),
        ("demo-phone-dark", "dark", 390, 844),
    ):
        page = tabs.alice.page
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=OUTPUT / f"{name}.png", full_page=True)
        is_scrolled = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not is_scrolled, f"{name}: wider than its window"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 860})
