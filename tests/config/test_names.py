"""`relay.names`: what is a host name, and whether the certificate is for it."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import parse
from relay.config.names import host_name
from tests.config.faults import faults_of
from tests.config.test_together import make_certificate
from tests.kit import certificates

_LISTEN = "listen: ['tls://127.0.0.1:5349', 'udp://127.0.0.1:1']\n"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("turn.example.org", "turn.example.org"),
        ("TURN.Example.org", "turn.example.org"),
        ("türn.example.org", "xn--trn-hoa.example.org"),
        ("straße.example", "xn--strae-oqa.example"),  # IDNA 2008, as browsers do
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("xn--trn-hoa.example.org", "xn--trn-hoa.example.org"),
        ("r3---sn-4g5.example", "r3---sn-4g5.example"),
        ("localhost", "localhost"),
        ("4.example", "4.example"),
        (".".join(["a" * 63] * 3 + ["b" * 61]), ".".join(["a" * 63] * 3 + ["b" * 61])),
    ],
)
def test_a_name_is_told_as_certificates_hold_it(written: str, told: str) -> None:
    assert host_name(written) == told
    assert host_name(told) == told


@pytest.mark.parametrize(
    "written",
    [
        *("", ".", "a.", ".a", "a..b", "-a.example", "a-.example", "a_b.example", "a b"),
        *(
            "192.0.2.1",
            "2001:db8::1",
            "[::1]",
            "1",
            "0x7f.1",
            "a.0x7f",
            "\uff11.\uff12.\uff13.\uff14",
            "example.7",
        ),
        *("turn:a.example", "a.example:443", "a.example/", "*.example.org", "a\n", "a.example\0"),
        *("a" * 64 + ".example", "a." * 127 + "a", "ü" * 60, "\ud800.example", "xn\u00ad--a"),
    ],
)
def test_what_is_no_host_name_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a host name "):
        host_name(written)


@given(st.text() | st.text("aü.-1x。0"))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    name = ""
    with suppress(ValueError):
        name = host_name(text)
    assert not name or (name.isascii() and host_name(name) == name)


def test_a_fault_names_the_key() -> None:
    (line,) = faults_of("relay: {names: [a.example, 192.0.2.1]}")
    assert line.startswith("relay.names[1]: '192.0.2.1': expected a host name such as ")
    (line,) = faults_of("relay: {names: [A.example, a.example]}")
    assert line == "relay.names: expected two different names, or one for both families"
    for content in ("relay: {names: [a, b, c]}", "relay: {names: a.example}"):
        (line,) = faults_of(content)
        assert line.endswith("expected a list of at most two host names, one per family")


def test_the_environment_sets_names() -> None:
    assert parse(b"", {"CALLVEIL__RELAY__NAMES": '["a.example"]'}).relay.names == ("a.example",)


def _tls(directory: Path, *hosts: str, days: tuple[float, float] = (-1, 30)) -> str:
    files = certificates.write(directory / "tls", hosts=hosts, days=days)
    return f"{_LISTEN}tls: {{certificate: {files.certificate}, key: {files.key}}}\n"


@pytest.mark.parametrize(
    ("held", "name"),
    [
        ("turn.example.org", "turn.example.org"),
        ("TURN.example.org", "turn.example.org"),
        ("*.example.org", "turn.example.org"),
        ("xn--trn-hoa.example.org", "türn.example.org"),
        ("*.example.org", "türn.example.org"),
    ],
)
@pytest.mark.parametrize("days", [(-1, 30), (-30, -1), (1, 30)])
def test_a_name_that_the_certificate_holds_is_taken(
    tmp_path: Path, held: str, name: str, days: tuple[float, float]
) -> None:
    """Whether it is valid now is another question."""
    tls = _tls(tmp_path, "other.example", held, days=days)
    assert parse(f"{tls}relay: {{names: [{name}]}}".encode(), {}).relay.names


@pytest.mark.parametrize(
    ("held", "name"),
    [
        ("example.org", "turn.example.org"),
        ("*.example.org", "example.org"),
        ("*.example.org", "a.turn.example.org"),
        ("t*.example.org", "xn--trn-hoa.example.org"),
        ("turn.example.org", "relay"),  # its common name
        ("192.0.2.1", "turn.example.org"),
    ],
)
@pytest.mark.parametrize("days", [(-1, 30), (-30, -1)])
def test_a_name_that_the_certificate_does_not_hold_is_refused(
    tmp_path: Path, held: str, name: str, days: tuple[float, float]
) -> None:
    tls = _tls(tmp_path, "other.example", held, days=days)
    (line,) = faults_of(f"{tls}relay: {{names: [other.example, {name}]}}")
    assert line == (
        f"relay.names[1]: '{name}': expected a name that tls.certificate is for; "
        f"it is for other.example, {held}"
    )


def test_a_common_name_alone_is_no_name(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path / "tls")
    tls = f"{_LISTEN}tls: {{certificate: {certificate}, key: {key}}}\n"
    (line,) = faults_of(f"{tls}relay: {{names: [relay.invalid]}}")
    assert line.endswith("; it is for no name at all")


def test_without_tls_any_name_may_be_told(tmp_path: Path) -> None:
    tls = _tls(tmp_path, "other.example").removeprefix(_LISTEN)
    for content in (tls, ""):
        named = parse(f"{content}relay: {{names: [turn.example]}}".encode(), {})
        assert named.relay.names == ("turn.example",)
