"""Which YAML is read, and that whatever else is a named fault that quotes nothing."""

import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import document, load, parse
from relay.errors import ConfigError
from tests.config.faults import faults_of

CANARY = "c4n4ry"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("a: 1\na: 2", "line 2, column 1: this key is here for the second time"),
        ("relay: {ports: x, ports: y}", "line 1, column 19: this key is here for the second time"),
        ('realm: a\n"realm": b', "line 2, column 1: this key is here for the second time"),
        ("- a", "line 1, column 1: expected a mapping of keys to values"),
        ("text", "line 1, column 1: expected a mapping of keys to values"),
        ("5", "line 1, column 1: expected a mapping of keys to values"),
        (b"realm: \xff", "line 1: expected UTF-8"),
        (b"realm: a\nx: \xc3(", "line 2: expected UTF-8"),
        ("realm: \x00", "line 1: a control character is not accepted"),
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases (*) are not accepted"),
        ("a: !!python/object:os.system x", "line 1, column 4: tags (!) are not accepted"),
        ("a: !secret x", "line 1, column 4: tags (!) are not accepted"),
        ("? [a]\n: b", "line 1, column 3: expected a word as key"),
        ("? {a: b}\n: b", "line 1, column 3: expected a word as key"),
        ("[" * 5000, "line 1, column 17: more than 16 levels of nesting are not accepted"),
        ("{a: " * 5000, "more than 16 levels of nesting are not accepted"),
        ("a: [", "line 1, column 5: not YAML"),
        ("a: b: c", "line 1, column 5: not YAML: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2", "line 2, column 1: not YAML: but found another document"),
        ("\tx: 1", "line 1, column 1: not YAML"),
    ],
)
def test_what_is_not_accepted_is_named_with_its_place(content: str | bytes, fault: str) -> None:
    (line,) = faults_of(content)
    assert fault in line


@pytest.mark.parametrize(
    "text",
    [f"auth: {{secrets: [{mark}{CANARY}]}}" for mark in ("*", "@", "`", "!", "'", '"\\q', "%", "]")]
    + [f"a: !{CANARY}!x", f"auth: {{secrets: {CANARY}\n: {CANARY}: x", f"{CANARY}\n- {CANARY}: ["],
)
def test_a_document_that_cannot_be_read_is_not_quoted(text: str) -> None:
    assert CANARY not in " ".join(faults_of(text))


def test_a_merge_key_is_an_unknown_key() -> None:
    assert faults_of("<<: {realm: x}") == ["<<: unknown key"]


@pytest.mark.parametrize("word", ["off", "no", "yes", "on", "010", "0x10", "1:30", "1.5", "1e3"])
def test_yaml_1_1s_surprises_are_text(word: str) -> None:
    assert document.parse(f"key: {word}".encode()) == {"key": word}


def test_values_are_what_they_look_like() -> None:
    text = b"a: 8\nb: -1\nc: true\nd: ~\ne: '8'\nf: [x, 'true', 8_000]\ng:\nh: {i: \"\"}"
    assert document.parse(text) == {
        "a": 8,
        "b": -1,
        "c": True,
        "d": None,
        "e": "8",
        "f": ["x", "true", 8000],
        "g": None,
        "h": {"i": ""},
    }


def test_a_number_of_a_million_digits_is_no_number() -> None:
    (line,) = faults_of("limits: {legs_per_call: " + "9" * 60_000 + "}")
    assert line.startswith("limits.legs_per_call: '9999")
    assert len(line) < 200


def test_a_file_that_is_too_big_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (document.MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="at most 64 KiB"):
        load(path, {})


@pytest.mark.parametrize("name", ["missing", ".", "/dev/zero", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path / name, {})


def test_an_alias_bomb_costs_nothing() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 20))
    before = time.process_time()
    (line,) = faults_of("l0: &l0 x\n" + levels)
    assert "aliases" in line
    assert time.process_time() - before < 60  # it would take years


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_settings_or_config_error(content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse(content, {})


_KEYS = st.sampled_from(["realm", "listen", "relay", "ports", "auth", "secrets", "api", "tokens"])
_LEAVES = st.none() | st.booleans() | st.integers(-9, 99999) | st.text(max_size=12)
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4)
)


@given(st.dictionaries(_KEYS, _TREES, max_size=6))
def test_arbitrary_trees_give_settings_or_config_error(tree: dict[str, object]) -> None:
    with contextlib.suppress(ConfigError):
        parse(json.dumps(tree).encode(), {})
