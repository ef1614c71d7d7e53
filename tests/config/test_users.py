"""`auth.users`: names and passwords of servers that can do nothing else."""

from pathlib import Path

import pytest

from relay.config import Settings, cautions, parse
from relay.daemon.settings import users_of
from tests.config.faults import faults_of

WIDER = "relay: {peers: relay}\n"


def users(text: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    """Those of a configuration."""
    return users_of(parse(f"{WIDER}auth: {{users: {text}}}".encode(), environ or {}))


def test_a_password_is_text_or_in_the_environment_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    given = f"{{asterisk: plain, 'a:b': 'env:PASSWORD', 42: 'file:{tmp_path}/password'}}"
    assert users(given, {"PASSWORD": "from the environment"}) == {
        "asterisk": "plain",
        "a:b": "from the environment",
        "42": "from a file",
    }


def test_the_environment_may_name_them_all() -> None:
    environ = {
        "CALLVEIL__AUTH__USERS": "{asterisk: 'a password', 'a:b': 'env:P'}",
        "CALLVEIL__RELAY__PEERS": "relay",
        "P": "of a and b",
    }
    expected = {"asterisk": "a password", "a:b": "of a and b"}
    assert users_of(parse(b"", environ)) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "[a]",
            "auth.users: expected names with their passwords, each text, env:NAME or file:PATH",
        ),
        ("{a: 1}", "auth.users.a: expected text (a number needs quotes), env:NAME or file:PATH"),
        ("{a: ''}", "auth.users.a: expected a secret that is not empty"),
        ("{a: 'env:NO'}", "auth.users.a: expected the environment variable NO to be set"),
        ("{'': secret}", "auth.users: expected names of 1 to 508 bytes"),
        (f"{{{'é' * 255}: secret}}", "auth.users: expected names of 1 to 508 bytes"),
    ],
)
def test_a_fault_names_the_user_and_what_is_expected(text: str, fault: str) -> None:
    (line,) = faults_of(f"{WIDER}auth: {{users: {text}}}")
    assert line.startswith(fault)


def test_users_need_a_relay_that_has_any() -> None:
    (line,) = faults_of("auth: {users: {asterisk: a-long-enough-password}}")
    assert line == (
        "auth.users: expected none with relay.peers call: "
        "auth.users needs relay.peers relay, listed or any"
    )
    registered = "auth: {users: {a: a-long-enough-password}, require_registered_call: true}"
    (line,) = faults_of(WIDER + registered)
    assert line.startswith("auth.users: expected none with auth.require_registered_call")


def test_a_short_password_is_cautioned_about_without_being_shown() -> None:
    text = f"{WIDER}auth: {{users: {{asterisk: hunter2, b: 0123456789abcdef}}}}"
    (sentence,) = cautions(parse(text.encode(), {}))
    assert sentence.startswith("auth.users: the password of 'asterisk': shorter than 16")
    assert "hunter2" not in sentence


def test_defaults() -> None:
    assert (Settings().auth.users, Settings().auth.revocation_s) == ({}, 86_400)
    assert Settings().limits.allocations_per_user == 32
