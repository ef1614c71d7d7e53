"""A `turnserver.conf` is read as coturn reads it."""

import pytest

from relay.tools.coturn.lines import Line, lines_of


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        ("realm=a", "realm", "a"),
        ("  realm = a b \t\r", "realm", "a b"),
        ("realm\ta", "realm", "a"),
        ("realm == a=b", "realm", "a=b"),
        ('redis-userdb="ip=127.0.0.1 dbname=0" ', "redis-userdb", "ip=127.0.0.1 dbname=0"),
        ('new-log-timestamp-format "%FT%T"', "new-log-timestamp-format", "%FT%T"),
        ("no-udp", "no-udp", ""),
        ("no-udp=", "no-udp", ""),
        ("realm=a # b", "realm", "a # b"),
        ("realm=a\0b", "realm", "a"),
        ("--realm=a", "", "a"),
        ("ü=a", "", "a"),
    ],
)
def test_a_line_has_a_name_and_a_value(raw: str, name: str, value: str) -> None:
    assert lines_of(f"# first\n\n{raw}\n".encode()) == [Line(3, name, value)]


@pytest.mark.parametrize("raw", ["", " ", "#realm=a", " \t# realm=a", "\0realm=a", "\r"])
def test_what_is_empty_or_a_comment_is_no_line(raw: str) -> None:
    assert lines_of(raw.encode()) == []


def test_a_line_that_coturn_takes_for_two_is_known() -> None:
    whole = f"realm={'a' * 1016}"
    assert [line.is_long for line in lines_of(f"{whole}\n{whole}a\n".encode())] == [False, True]


@pytest.mark.parametrize(
    ("value", "number"),
    [("3478", 3478), ("3478 # here", 3478), ("-1", -1), ("+5x", 5), ("x5", None), ("", None)],
)
def test_a_number_is_what_the_value_begins_with(value: str, number: int | None) -> None:
    assert Line(1, "listening-port", value).whole_number == number


@pytest.mark.parametrize(
    ("value", "is_on"),
    [
        *((value, True) for value in ("", "1", "on", "ON", "yes", "true", "t", "9")),
        *((value, False) for value in ("0", "off", "Off", "no", "NO", "false", "f")),
    ],
)
def test_a_switch_without_a_value_is_on(value: str, is_on: bool) -> None:
    assert Line(1, "no-udp", value).is_on is is_on
