"""`callveil audit` as an operator runs it: exit codes, and addresses for whoever asks only."""

import json
from pathlib import Path

import pytest

from tests.audit.captures import (
    ALICE,
    ALICE_PUBLIC,
    BOB,
    BOB_PUBLIC,
    SERVER,
    turn_client,
    udp,
    write,
)
from tests.kit.command import callveil

_LEAK = udp(SERVER, BOB, b"\xff198.51.100.23", (3478, 40000))
_SECRET = f"alice={ALICE_PUBLIC}"


@pytest.fixture
def clean(tmp_path: Path) -> list[str]:
    return [
        str(path)
        for path in write(
            tmp_path, alice_pcap=turn_client(ALICE_PUBLIC), bob_pcap=turn_client(BOB_PUBLIC)
        )
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


def test_a_clean_document_says_so(clean: list[str]) -> None:
    done = callveil("audit", "--json", *clean)
    document = json.loads(done.out)
    assert (done.code, document["verdict"], document["clean"]) == (0, "clean", True)
    assert document["unsearched"] == []


def test_what_could_not_all_be_searched_is_exit_3(tmp_path: Path) -> None:
    files = write(tmp_path, alice_pcap=turn_client(ALICE), bob_pcap=turn_client(BOB_PUBLIC))
    done = callveil("audit", *map(str, files))
    assert (done.code, done.err) == (3, "")
    assert done.out.splitlines()[-2:] == [
        "unsearched  alice: it is behind NAT, and the files do not tell its public IPv4 address; "
        "give --secret alice=ADDRESS",
        "incomplete  no address was found, but not everything could be searched",
    ]
    done = callveil("audit", "--json", *map(str, files))
    document = json.loads(done.out)
    assert (done.code, document["verdict"], document["clean"]) == (3, "incomplete", False)
    assert callveil("audit", *map(str, files), "--secret", _SECRET).code == 0


def test_files_of_one_name_in_two_directories_are_exit_2(tmp_path: Path) -> None:
    paths: list[str] = []
    for name, own in (("alice", ALICE_PUBLIC), ("bob", BOB_PUBLIC)):
        (tmp_path / name).mkdir()
        paths += map(str, write(tmp_path / name, wlan_pcap=turn_client(own)))
    done = callveil("audit", *paths, "--secret", f"carol={SERVER}")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert f"--party NAME={paths[1]}, or give the directory of each party" in line
    named = [f"--party={name}={path}" for name, path in zip(("alice", "bob"), paths, strict=True)]
    assert callveil("audit", *named).code == 0
    assert callveil("audit", str(tmp_path / "alice"), str(tmp_path / "bob")).code == 0


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
    assert "bob.pcap': the capture is damaged: a record is longer than any frame" in done.err
