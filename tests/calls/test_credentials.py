"""Usernames and passwords of legs."""

import base64
import contextlib
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls import credentials
from relay.calls.credentials import Username
from relay.errors import Rejected

NAMES = st.text(min_size=1).filter(lambda name: ":" not in name)


def test_the_password_is_the_base64_hmac_sha1_of_the_username() -> None:
    minted = credentials.mint("north", "cv_abc", "leg", 1_700_000_000)
    mac = hmac.new(b"north", b"1700000000:cv_abc:leg", hashlib.sha1).digest()
    assert minted == ("1700000000:cv_abc:leg", base64.b64encode(mac).decode())


@given(st.integers(0, 999_999_999_999), NAMES, st.text(min_size=1))
def test_what_is_minted_parses_to_what_it_was_minted_from(expiry: int, call: str, leg: str) -> None:
    minted = credentials.mint("south", "call", "leg", expiry)
    assert credentials.parse(minted.username) == Username(expiry, "call", "leg")
    assert credentials.parse(f"{expiry}:{call}:{leg}") == Username(expiry, call, leg)


def test_a_username_without_a_call_names_a_user() -> None:
    assert credentials.parse("17:dora") == Username(17, None, "dora")


def test_everything_after_the_second_colon_is_the_leg() -> None:
    assert credentials.parse("17:room:a:b") == Username(17, "room", "a:b")


@pytest.mark.parametrize(
    "username",
    [
        "",
        "17",
        "17:",
        ":call:leg",
        "17::leg",
        "17:call:",
        "17::",
        "call:leg",
        "-17:call:leg",
        "+17:call:leg",
        " 17:call:leg",
        "1_7:call:leg",
        "1.7:call:leg",
        "0x17:call:leg",
        "\u0661\u0667:call:leg",
        "1\u00b2:call:leg",
        "1234567890123:call:leg",
    ],
)
def test_a_username_of_another_form_is_rejected_with_401(username: str) -> None:
    with pytest.raises(Rejected) as rejected:
        credentials.parse(username)
    assert rejected.value.code == 401


@given(st.text())
def test_any_text_is_a_username_or_rejected(text: str) -> None:
    with contextlib.suppress(Rejected):
        parsed = credentials.parse(text)
        assert parsed.leg
        assert parsed.call != ""
