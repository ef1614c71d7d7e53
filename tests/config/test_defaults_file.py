"""`config/callveil.yaml` is the reference: every key, its default, and what it is for."""

import itertools
from pathlib import Path

import pytest
import yaml

from relay.config import Settings, load, parse
from relay.config.environment import variables

FILE = Path(__file__).parents[2] / "config" / "callveil.yaml"


def test_the_file_says_exactly_the_defaults() -> None:
    assert load(FILE, {}) == Settings()


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"---\n", b"relay:\nlimits:\n", b"\n\n"])
def test_an_empty_file_is_the_defaults(content: bytes) -> None:
    assert parse(content, {}) == Settings()


def test_the_file_has_every_key_and_no_other() -> None:
    tree = yaml.safe_load(FILE.read_text())
    written: set[tuple[str, ...]] = set()
    for name, value in tree.items():
        is_section = isinstance(value, dict)
        written |= {(name, key) for key in value} if is_section else {(name,)}
    assert written == set(variables().values())


def test_every_key_has_a_comment_above_it() -> None:
    bare = []
    sections = {key[0] for key in variables().values() if len(key) == 2}
    lines = FILE.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        key, colon, _ = line.strip().partition(":")
        is_key = colon and not line.strip().startswith(("#", "-")) and key not in sections
        if is_key and not above.strip().startswith("#"):
            bare.append(key)
    assert bare == []


def test_no_secret_is_generated_where_one_is_configured() -> None:
    settings = parse(b"auth: {secrets: [configured-by-hand]}", {})
    assert settings.with_secret(bytes) is settings


def test_a_generated_secret_comes_from_the_callers_entropy_alone() -> None:
    generated = Settings().with_secret(lambda count: b"\x5a" * count)
    assert [secret.get_secret_value() for secret in generated.auth.secrets] == ["5a" * 32]
    assert Settings().auth.secrets == ()
