"""Two browsers on a relay that masks only who asked: Alice did, Bob did not.

His uses his own address towards her relayed one, which is all of her that it knows; hers sees it.
"""

import re
from pathlib import Path

from playwright.sync_api import expect

from relay.tools.audit.search import find
from tests.browser.fixtures import OUTPUT, Tabs
from tests.browser.test_calls import answer, calling
from tests.lab.capture import capturing
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

_IS_CONNECTED_ANEW = """(before) => connections.length > before
    && connections.at(-1).connectionState === "connected"
"""

CONFIG = {"privacy": {"stun_binding": True, "masking": "opted_in"}}


def test_the_one_who_asked_is_masked_and_the_other_uses_his_own_address(
    tabs: Tabs, lab: Lab, tmp_path: Path
) -> None:
    alice, bob = tabs
    with capturing(lab, tmp_path, ["callee"]) as captures:
        with calling(tabs, privacy=True):
            expect(bob.page.get_by_text("alice can see your address")).to_be_visible()
            answer(tabs, "relay")
            ((local, remote),) = alice.measure().pairs
            assert (local["candidateType"], remote["address"]) == ("relay", CALLEE.public.v4)
            ((local, remote),) = bob.measure().pairs
            assert (local["address"], remote["candidateType"]) == (CALLEE.public.v4, "relay")
            assert {each["address"] for each in bob.measure().remote} <= set(RELAY)
            assert (alice.verdict("seen-of-you"), bob.verdict("seen-of-them")) == ("relayed",) * 2
            assert (alice.verdict("seen-of-them"), bob.verdict("seen-of-you")) == ("own",) * 2
            expect(alice.page.get_by_text("You are masked, bob is not")).to_be_visible()
            expect(bob.page.get_by_text("alice is masked, you are not")).to_be_visible()
            expect(
                alice.page.get_by_text(re.compile("which is bob.s own, to the relay"))
            ).to_be_visible()
            expect(bob.page.get_by_text("which is your own, to the relay")).to_be_visible()
            for tab, name in ((alice, "alice"), (bob, "bob")):
                tab.page.screenshot(path=OUTPUT / f"demo-half-{name}.png", full_page=True)
        assert find(captures["callee"].frames(), *CALLER.addresses) == []
        assert find(captures["callee"].frames(), CALLEE.private.v4)


def test_when_bob_asks_too_both_are_masked(tabs: Tabs) -> None:
    alice, bob = tabs
    with calling(tabs, privacy=True):
        answer(tabs, "relay")
        made = [tab.page.evaluate("connections.length") for tab in tabs]
        bob.set_privacy(True)
        for tab, before in zip(tabs, made, strict=True):
            tab.page.wait_for_function(_IS_CONNECTED_ANEW, arg=before)
            tab.until_more_frames()
        for tab in tabs:
            for pair in tab.measure().pairs:
                assert [end["candidateType"] for end in pair] == ["relay", "relay"]
        assert {each["address"] for each in alice.measure().remote} <= set(RELAY)
