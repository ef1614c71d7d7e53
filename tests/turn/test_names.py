"""What usernames name, whatever they are; the rule that every consumer relies on."""

import math
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.turn.names import LegName, Name, UserName, parse

WIDER = ("relay", "listed", "any")
NOBODY: frozenset[str] = frozenset()
STATIC = frozenset({"asterisk", "a:b", "1735689600:fixed", "42", "1735689600:cv_call:leg", ""})

_CALL_LETTERS = string.ascii_letters + string.digits + "._~+/=-"
_PIECES = st.one_of(
    st.text("0123456789", max_size=14),
    st.text("٣²୪𝟘", max_size=3),  # digits that are not ASCII
    st.text(max_size=5),
    st.text(_CALL_LETTERS, max_size=5),
    st.sampled_from(["cv_call", "cv_", "@alice", "example.org", "\0", " ", ""]),
)
_USERNAMES = st.lists(_PIECES, max_size=11).map(":".join)


def is_expiry(text: str) -> bool:
    """Up to twelve ASCII digits."""
    return 0 < len(text) <= 12 and all("0" <= character <= "9" for character in text)


def oracle(username: str, peers: str, static: frozenset[str]) -> Name | None:
    """The rule as the issue writes it, in another way than the relay's."""
    pieces = username.split(":")
    is_leg = (
        len(pieces) > 2
        and is_expiry(pieces[0])
        and pieces[1] != ""
        and not pieces[1].strip(_CALL_LETTERS)
        and set(pieces[1]) <= set(_CALL_LETTERS)
        and ":".join(pieces[2:]) != ""
    )
    if peers != "call" and username in static:
        return UserName(math.inf, username)
    if is_leg and (peers == "call" or pieces[1][:3] == "cv_"):
        return LegName(int(pieces[0]), pieces[1], ":".join(pieces[2:]))
    if peers == "call":
        return None
    if is_expiry(pieces[0]):
        rest = ":".join(pieces[1:])
        return UserName(int(pieces[0]), rest if rest else username)
    if len(pieces) > 1 and is_expiry(pieces[-1]):
        user = ":".join(pieces[:-1])
        return UserName(int(pieces[-1]), user if user else username)
    return None


@given(
    username=_USERNAMES,
    peers=st.sampled_from(["call", *WIDER]),
    static=st.sampled_from([NOBODY, STATIC]),
)
@example(username="9" * 508, peers="relay", static=NOBODY)
@example(username="1735689600:" + "u" * 497, peers="relay", static=NOBODY)
@example(username="1735689600:a:b:c:d:e:f:g:h:i:j", peers="call", static=NOBODY)
@example(username="\ud800:12", peers="any", static=NOBODY)  # no UTF-8 can be that
@example(username="12\n:cv_call\n:leg", peers="call", static=NOBODY)
def test_every_name_is_read_by_the_rule(username: str, peers: str, static: frozenset[str]) -> None:
    assert parse(username, peers, static) == oracle(username, peers, static)


@pytest.mark.parametrize("peers", WIDER)
@pytest.mark.parametrize(
    ("username", "named"),
    [
        pytest.param("1735689600", UserName(1735689600, "1735689600"), id="prosody"),
        pytest.param(
            "1735689600:@alice:example.org",
            UserName(1735689600, "@alice:example.org"),
            id="synapse",
        ),
        pytest.param(
            "1735689600:@alice:example.org:8448",
            UserName(1735689600, "@alice:example.org:8448"),
            id="synapse with a port",
        ),
        pytest.param("1735689600:xZ8q", UserName(1735689600, "xZ8q"), id="nextcloud, livekit"),
        pytest.param("alice:1735689600", UserName(1735689600, "alice"), id="the other way round"),
        pytest.param("1735689600:", UserName(1735689600, "1735689600:"), id="empty user"),
        pytest.param(":1735689600", UserName(1735689600, ":1735689600"), id="empty user, last"),
        pytest.param("1735689600:1735689601", UserName(1735689600, "1735689601"), id="two times"),
        pytest.param("1735689600:room:one", UserName(1735689600, "room:one"), id="no call"),
        pytest.param("1735689600:cv_call:leg", LegName(1735689600, "cv_call", "leg"), id="call"),
        pytest.param("1735689600:cv_call", UserName(1735689600, "cv_call"), id="call without leg"),
        pytest.param("1735689600123:alice", None, id="milliseconds"),
        pytest.param("١٧٣٥٦٨٩٦٠٠:alice", None, id="digits of another script"),
        pytest.param("alice", None, id="no time"),
        pytest.param("", None, id="nothing"),
        pytest.param(":", None, id="a colon"),
        pytest.param("alice:", None, id="no time, and a colon"),
        pytest.param("-1:alice", None, id="a sign"),
        pytest.param(" 1:alice", None, id="a space"),
    ],
)
def test_names_of_users(username: str, named: Name | None, peers: str) -> None:
    assert parse(username, peers, NOBODY) == named


@pytest.mark.parametrize("username", sorted(STATIC))
def test_a_static_user_comes_first_and_has_no_end(username: str) -> None:
    assert parse(username, "relay", STATIC) == UserName(math.inf, username)
    assert parse(username + " ", "relay", {username}) != UserName(math.inf, username + " ")


@pytest.mark.parametrize(
    ("username", "named"),
    [
        ("12:room:one", LegName(12, "room", "one")),
        ("12:a/b+c=.~_-:one:two: ", LegName(12, "a/b+c=.~_-", "one:two: ")),
        ("12:room:", None),
        ("12:room", None),
        ("12::one", None),
        ("12", None),
        ("12:@alice:example.org", None),
        ("12:é:one", None),
        ("12:a b:one", None),
        ("12:a%20b:one", None),
        ("12:a\0:one", None),
        ("alice:12", None),
    ],
)
def test_names_of_calls(username: str, named: Name | None) -> None:
    assert parse(username, "call", NOBODY) == named


@pytest.mark.parametrize("username", ["99:ci_name", "ci_name:99"])
def test_no_user_has_the_name_of_an_identified_call(username: str) -> None:
    """Legs of both would be one."""
    assert parse(username, "any", ()) is None
