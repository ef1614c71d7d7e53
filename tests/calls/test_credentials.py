"""What a party is given to use its leg."""

import base64
import hashlib
import hmac
import re

import pytest

from relay.calls import credentials


def test_the_password_is_the_base64_hmac_sha1_of_the_username() -> None:
    minted = credentials.mint("north", "cv_abc", "leg", 1_700_000_000)
    mac = hmac.new(b"north", b"1700000000:cv_abc:leg", hashlib.sha1).digest()
    assert minted == ("1700000000:cv_abc:leg", base64.b64encode(mac).decode())


def test_another_secret_gives_another_password_for_the_same_username() -> None:
    north, south = (credentials.mint(each, "cv_abc", "leg", 1) for each in ("north", "south"))
    assert north.username == south.username
    assert north.password != south.password


def test_an_identifier_names_one_call_per_secret_and_shows_nothing_of_itself() -> None:
    names = {credentials.call_of(secret, b"weekly") for secret in ("north", "north", "south")}
    assert len(names) == 2
    for name in names:
        assert re.fullmatch(r"ci_[\w-]{22}", name)


@pytest.mark.parametrize(
    ("username", "leg"),
    [
        (f"1:ci_{'a' * 22}:{'b' * 22}", ("ci_" + "a" * 22, "b" * 22)),
        (f"1:cv_{'a' * 22}:{'b' * 22}", None),
        (f"1:ci_{'a' * 21}:{'b' * 22}", None),
        (f"1:ci_{'a' * 22}:{'b' * 23}", None),
        (f"x:ci_{'a' * 22}:{'b' * 22}", None),
        (f"ci_{'a' * 22}:{'b' * 22}", None),
        ("1:alice", None),
        ("", None),
    ],
)
def test_a_username_for_an_identifier_is_known_by_its_form(
    username: str, leg: tuple[str, str] | None
) -> None:
    assert credentials.identified_leg_of(username) == leg


@pytest.mark.parametrize(
    ("username", "user"),
    [
        (f"12:{'a' * 22}", ("a" * 22, 12)),
        (f"12:{'a' * 23}", None),
        (f"{'1' * 13}:{'a' * 22}", None),
        (f"{'a' * 22}:12", None),
        ("12:alice", None),
    ],
)
def test_a_username_of_a_user_that_was_minted_is_known_by_its_form(
    username: str, user: tuple[str, int] | None
) -> None:
    assert credentials.minted_user_of(username) == user
