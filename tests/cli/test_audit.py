"""`callveil audit` as an operator runs it: exit codes, and addresses for whoever asks only."""

import json
from pathlib import Path

import pytest

from tests.audit.captures import ALICE, ALICE_PUBLIC, BOB, SERVER, turn_client, udp, write
from tests.cli.running import callveil

_LEAK = udp(SERVER, BOB, b"\xff198.51.100.23", (3478, 40000))
_SECRET = f"alice={ALICE_PUBLIC}"


@pytest.fixture
def clean(tmp_path: Path) -> list[str]:
    return [
        str(p) for p in write(tmp_path, alice_pcap=turn_client(ALICE), bob_pcap=turn_client(BOB))
    ]


@pytest.fixture
def leaking(tmp_path: Path) -> list[str]:
    files = write(tmp_path, alice_pcap=turn_client(ALICE), bob_pcap=turn_client(BOB, _LEAK))
    return [*map(str, files), "--secret", _SECRET]


def test_a_clean_call_is_exit_0(clean: list[str]) -> None:
    done = callveil("audit", *clean)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == (
        "clean  no address of one party shows in what another could see"
    )


def test_a_leak_is_exit_1_and_shows_no_address(leaking: list[str]) -> None:
    done = callveil("audit", *leaking)
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[-1] == (
        "leak  bob could see alice's public IPv4 address: text in payload, bob.pcap packet 3 "
        "offset 43"
    )
    assert ALICE_PUBLIC not in done.out


def test_addresses_are_shown_to_whoever_asks(leaking: list[str]) -> None:
    done = callveil("audit", "--show-addresses", *leaking)
    assert done.code == 1
    assert f"alice's public IPv4 address {ALICE_PUBLIC}: text" in done.out


@pytest.mark.parametrize("is_shown", [False, True])
def test_json_says_the_same(leaking: list[str], is_shown: bool) -> None:
    done = callveil("audit", "--json", *leaking, *["--show-addresses"] * is_shown)
    document = json.loads(done.out)
    (leak,) = document["leaks"]
    assert (done.code, document["clean"]) == (1, False)
    assert (leak["of"], leak["seen_by"], leak["encoding"]) == ("alice", "bob", "text")
    assert (leak["unit"], leak["number"], leak["offset"], leak["count"]) == ("packet", 3, 43, 1)
    assert (ALICE_PUBLIC in done.out) == is_shown


def test_files_may_have_any_name(tmp_path: Path) -> None:
    one, two = write(tmp_path, x_pcap=turn_client(ALICE), y_pcap=turn_client(BOB, _LEAK))
    done = callveil(
        "audit", "--party", f"alice={one}", "--party", f"bob={two}", "--secret", _SECRET
    )
    assert done.code == 1


def test_one_partys_files_and_the_others_address_are_enough(tmp_path: Path) -> None:
    (path,) = write(tmp_path, bob_pcap=turn_client(BOB, _LEAK))
    assert callveil("audit", str(path), "--secret", _SECRET).code == 1


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "expected files of two parties"),
        (["/nowhere.pcap", "/elsewhere.sdp"], "'/nowhere.pcap': cannot be read: No such file"),
        (["/dev/null", "/dev/zero"], "'/dev/null': neither a capture"),
        (["--party", "alice"], "--party: expected NAME=VALUE"),
        (["--party", "=x"], "--party: expected NAME=VALUE"),
        (["--party", "alice=x,"], "--party: expected NAME=VALUE"),
        (["--secret", "alice=example.org"], "--secret: expected numeric IP addresses"),
        (["--secret", "alice=198.51.100.23/24"], "--secret: expected numeric IP addresses"),
        (["--secret", _SECRET], "expected files of two parties"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(arguments: list[str], fault: str) -> None:
    done = callveil("audit", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("callveil: ")
    assert done.err.count("\n") == 1
    assert fault in done.err
    assert ALICE_PUBLIC not in done.err


def test_a_file_that_stops_being_a_capture_is_exit_2(clean: list[str]) -> None:
    with Path(clean[1]).open("ab") as file:
        file.write(b"\xff" * 100)
    done = callveil("audit", *clean)
    assert (done.code, done.out) == (2, "")
    assert "bob.pcap': no whole capture: a record is longer than any frame" in done.err
