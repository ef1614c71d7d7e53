"""Secrets: by reference, and never in a fault, a repr or a dump."""

from pathlib import Path

import pytest

from relay.config import cautions, load, parse
from relay.config.secrets import MAX_SECRET_BYTES
from relay.errors import ConfigError
from tests.config.faults import faults_of

CANARY = "c4n4ry-of-a-secret"


def test_a_secret_is_text_or_in_the_environment_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    text = f"auth: {{secrets: [plain, 'env:RELAY_SECRET', 'file:{tmp_path}/secret']}}"
    settings = parse(text.encode(), {"RELAY_SECRET": "from the environment"})
    revealed = [secret.get_secret_value() for secret in settings.auth.secrets]
    assert revealed == ["plain", "from the environment", "from a file"]


def test_a_token_may_be_a_reference_too() -> None:
    settings = parse(b"api: {tokens: ['env:T']}", {"T": "t" * 16})
    assert settings.api.tokens[0].get_secret_value() == "t" * 16


@pytest.mark.parametrize("key", ["auth: {secrets", "api: {tokens"])
@pytest.mark.parametrize(
    "value",
    ["env:NOWHERE", "env:EMPTY", "env:", "env:a b", "file:", "file:/nowhere", "file:/", " "],
)
def test_a_reference_to_nothing_is_a_fault(key: str, value: str) -> None:
    (line,) = faults_of(f"{key}: ['{value}']}}", {"EMPTY": ""})
    assert "[0]: expected" in line


@pytest.mark.parametrize("value", ["env:BYTES", "a\\ud800"])
def test_a_secret_that_is_no_text_is_a_fault(value: str) -> None:
    (line,) = faults_of(f'auth: {{secrets: ["{value}"]}}', {"BYTES": "a\udcff"})
    assert line == "auth.secrets[0]: expected a secret in UTF-8"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (MAX_SECRET_BYTES + 1)])
def test_a_secret_file_holds_one_short_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    (line,) = faults_of(f"auth: {{secrets: ['file:{tmp_path}/secret']}}")
    assert line.startswith("auth.secrets[0]: expected a secret")


@pytest.mark.parametrize(
    "content",
    [
        f"auth: {CANARY}",
        f"auth: [{CANARY}]",
        f"auth: {{secrets: {CANARY}}}",
        f"auth: {{secrets: [[{CANARY}]]}}",
        f"auth: {{secrets: {{a: {CANARY}}}}}",
        f"auth: {{secrets: [{CANARY}, 7]}}",
        f"auth: {{secret: {CANARY}}}",
        f"auth: {{ttl_s: 0, secrets: [{CANARY}]}}",
        f"auth: {{users: {CANARY}}}",
        f"auth: {{users: [{CANARY}]}}",
        f"auth: {{users: {{asterisk: {CANARY}}}}}",
        f"auth: {{users: {{asterisk: [{CANARY}]}}}}",
        f"auth: {{users: {{asterisk: 'env:{CANARY}'}}}}",
        f"auth: {{users: {{asterisk: {CANARY}, '': {CANARY}}}}}",
        f"auth: {{user: {{asterisk: {CANARY}}}}}",
        f"api: {CANARY}",
        f"api: {{tokens: {CANARY}}}",
        f"api: {{tokens: [{CANARY[:15]}]}}",
        f"api: {{token: {CANARY}}}",
        f"fleet: {{redis: 'redis://:{CANARY}@192.0.2.1'}}",
        f"fleet: {{redis: ['{CANARY}']}}",
        f"tls: {{key: '{CANARY}'}}",
        f"secrets: [{CANARY}]",
        f"- {CANARY}",
        f"auth: {{secrets: ['env:{CANARY}']}}",
    ],
)
def test_no_fault_shows_a_secret(content: str) -> None:
    assert CANARY[:15] not in " ".join(faults_of(content))


def test_no_variable_is_shown_where_a_secret_may_be_in_it() -> None:
    environ = {"CALLVEIL__AUTH__SECRET": CANARY, "CALLVEIL__AUTH__SECRETS": f"[{CANARY}, 7"}
    assert CANARY not in " ".join(faults_of("", environ))


def test_no_repr_str_dump_or_json_shows_a_secret() -> None:
    users = f"users: {{asterisk: '{CANARY}'}}"
    text = f"auth: {{secrets: ['{CANARY}'], {users}}}\napi: {{tokens: ['{CANARY}']}}"
    text += "\nrelay: {peers: relay}"
    settings = parse(text.encode(), {})
    shown = [repr(settings), str(settings), f"{settings}", str(settings.model_dump())]
    shown += [repr(settings.auth), str(settings.model_dump()["auth"]), repr(vars(settings))]
    assert CANARY not in " ".join(shown)


def test_a_traceback_of_a_fault_has_no_inner_exception_with_the_input() -> None:
    with pytest.raises(ConfigError) as raised:
        parse(f"auth: {{secrets: [{CANARY}], ttl_s: 0}}".encode(), {})
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_short_secret_is_cautioned_about_without_being_shown() -> None:
    (sentence,) = cautions(parse(b"auth: {secrets: [0123456789abcdef, short]}", {}))
    assert sentence.startswith("auth.secrets[1]: shorter than 16 characters")
    assert "short," not in sentence
    assert cautions(load(None, {})) == []
