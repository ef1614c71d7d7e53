"""What the page makes of a person's hands: keys and buttons pressed early or twice, long names."""

from playwright.sync_api import Locator, expect

from tests.browser.fixtures import Tabs
from tests.browser.tab import Tab

LONGEST_NAME = "w" * 32

_DEVICES = "() => opened.flatMap((stream) => stream.getTracks()).map((track) => track.readyState)"
_SENT = "() => opened.at(-1).getTracks().map((track) => track.enabled)"
_IS_WIDER = "(it) => it.scrollWidth > it.clientWidth"


def until_over(tabs: Tabs, words: str = "The call has ended") -> None:
    for tab in tabs:
        tab.until_said(words)
        expect(tab.page.locator("#stage")).to_be_hidden()


def dialog(tab: Tab) -> Locator:
    return tab.page.get_by_role("dialog")


def is_too_wide(tab: Tab) -> bool:
    """Whether somebody has to scroll sideways."""
    return any(tab.page.locator(each).evaluate(_IS_WIDER) for each in ("html", "#incoming"))


def test_a_button_pressed_twice_calls_once_and_leaves_no_camera_on(tabs: Tabs) -> None:
    button = tabs.alice.page.get_by_role("button", name="Call bob")
    button.evaluate("(button) => { button.click(); button.click(); }")
    tabs.bob.until_rung("alice")
    tabs.alice.until_said("Calling bob")
    tabs.alice.press("Hang up")
    until_over(tabs)
    assert set(tabs.alice.page.evaluate(_DEVICES)) == {"ended"}


def test_what_is_typed_while_a_call_comes_in_does_not_accept_it(tabs: Tabs) -> None:
    keyboard = tabs.bob.page.keyboard
    tabs.bob.page.get_by_label("Name of somebody").focus()
    tabs.alice.call("bob")
    tabs.bob.until_rung("alice")
    for key in ("a", "Space", "Enter"):
        keyboard.press(key)
    expect(dialog(tabs.bob)).to_be_visible()
    keyboard.press("Tab")
    expect(tabs.bob.page.get_by_role("button", name="Accept", exact=True)).to_be_focused()
    keyboard.press("Escape")
    until_over(tabs, "The call was declined")


def test_the_dialog_says_so_when_a_call_that_rings_becomes_private(tabs: Tabs) -> None:
    tabs.alice.set_privacy(False)
    tabs.alice.call("bob")
    tabs.bob.until_rung("alice")
    expect(dialog(tabs.bob)).to_contain_text("Not a private call")
    tabs.alice.set_privacy(True)
    expect(dialog(tabs.bob)).to_contain_text("A private call: it goes through the relay")
    tabs.alice.press("Hang up")
    until_over(tabs)


def test_every_call_begins_with_microphone_and_camera_on_and_buttons_that_say_so(
    tabs: Tabs,
) -> None:
    mute = tabs.bob.page.get_by_role("button", name="Mute")
    for _ in range(2):
        tabs.alice.call("bob")
        tabs.bob.press("Accept")
        tabs.bob.until_state("connected")
        expect(mute).to_have_attribute("aria-pressed", "false")
        assert tabs.bob.page.evaluate(_SENT) == [True, True]
        for button in ("Mute", "Camera"):
            tabs.bob.press(button)
        expect(mute).to_have_accessible_name("Muted")
        assert tabs.bob.page.evaluate(_SENT) == [False, False]
        tabs.alice.press("Hang up")
        until_over(tabs)


def test_the_longest_name_fits_a_telephone(tabs: Tabs) -> None:
    other = Tab(tabs.alice.page.context.new_page(), LONGEST_NAME)
    for tab in (other, tabs.bob):
        tab.page.set_viewport_size({"width": 360, "height": 740})
    other.sign_in(tabs.alice.page.url)
    other.add("bob", follow=False)
    tabs.bob.add(LONGEST_NAME, follow=False)
    follow = tabs.bob.page.locator(".contact", has_text=LONGEST_NAME).get_by_text("Follow")
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    other.call("bob")
    tabs.bob.until_rung(LONGEST_NAME)
    assert not is_too_wide(tabs.bob)
    tabs.bob.press("Accept")
    for tab in (other, tabs.bob):
        tab.until_state("connected")
        tab.until_counted()
        assert not is_too_wide(tab)
    other.press("Hang up")
    tabs.bob.until_said("The call has ended")
    other.page.close()
