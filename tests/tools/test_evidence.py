"""A short `make audit`: what has to be exposed is found, what has to be hidden is not there."""

import dataclasses
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from relay.tools.audit import Gap
from relay.tools.audit.search import find
from tests.kit.command import callveil
from tests.kit.requirements import require
from tests.lab import topology
from tests.tools.evidence import scenarios, words
from tests.tools.evidence.__main__ import main, run
from tests.tools.evidence.page import render
from tests.tools.evidence.placing import AUDIO_FRAMES, SECRETS, Placed
from tests.tools.evidence.results import Results
from tests.tools.evidence.scenarios import CALLEE, CALLER, PARTIES
from tests.tools.evidence.table import show
from tests.tools.evidence.written import search

_CHOSEN = (
    scenarios.OFF_ANSWERED,
    scenarios.OFF_UNANSWERED,
    scenarios.ONE_ANSWERED,
    scenarios.HALF_ANSWERED,
    scenarios.BOTH_ANSWERED,
    scenarios.BOTH_UNANSWERED,
    scenarios.CONTROL,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    require()
    return run(_CHOSEN, tmp_path_factory.mktemp("audit"), Console(file=io.StringIO()))


def _of(results: Results, scenario: scenarios.Scenario) -> Placed:
    (found,) = [placed for placed in results.calls if placed.scenario == scenario]
    return found


def test_every_call_ends_as_it_has_to(results: Results) -> None:
    assert [placed.fault for placed in results.calls] == [""] * len(_CHOSEN)
    assert {placed.scenario.key: placed.exposed for placed in results.calls} == {
        "off-answered": PARTIES,
        "off-unanswered": (CALLER,),
        "one-answered": (),
        "half-answered": (CALLEE,),
        "both-answered": (),
        "both-unanswered": (),
        "both-answered-not-rebuilt": PARTIES,
    }
    assert results.is_proved


def test_a_direct_call_shows_public_addresses_in_packets_and_descriptions(results: Results) -> None:
    placed = _of(results, scenarios.OFF_ANSWERED)
    assert (placed.direct > AUDIO_FRAMES, words.path(placed)) == (True, "direct")
    for of, by in ((CALLER, CALLEE), (CALLEE, CALLER)):
        (public,) = [each for each in words.seen(placed, of, by) if each.startswith("public IPv4")]
        assert "in its packets (IP header" in public
        assert "in the description it was sent (as text)" in public


def test_a_call_that_nobody_answers_shows_the_caller(results: Results) -> None:
    placed = _of(results, scenarios.OFF_UNANSWERED)
    assert words.seen(placed, CALLER, CALLEE)
    assert words.seen(placed, CALLEE, CALLER) == []


def test_a_relayed_call_carries_media_and_shows_nothing(results: Results) -> None:
    for scenario in (scenarios.ONE_ANSWERED, scenarios.BOTH_ANSWERED):
        placed = _of(results, scenario)
        assert (placed.direct, placed.relayed > AUDIO_FRAMES) == (0, True)
        assert placed.report.leaks == []
        assert all(looked.packets > AUDIO_FRAMES for looked in placed.report.parties.values())


def test_the_control_finds_what_clients_put_into_descriptions(results: Results) -> None:
    """The related address and the foundation, which is a hash of the address, are among it."""
    placed = _of(results, scenarios.CONTROL)
    offer = json.loads((placed.directory / CALLEE / "received.json").read_text())["given"]
    assert re.search(rf"typ relay raddr {re.escape(topology.CALLER.public.v4)} ", offer)
    encodings = {
        leak.encoding
        for leak in placed.report.seen(CALLER, CALLEE)
        if leak.first.layer == "a=candidate"
    }
    assert {"text", "md5 of host|udp|, hex"} <= encodings


def test_the_relay_has_written_no_address_in_logs_answers_and_crashes(results: Results) -> None:
    assert len(results.written) == 5
    assert [each.addresses for each in results.written] == [0] * 5
    assert all(each.pieces for each in results.written)


def test_an_address_that_the_relay_wrote_would_be_found() -> None:
    line = f"receive_failed from={topology.CALLER.public.v4}".encode()
    assert search("log", [b"ready", line]) == ("log", 2, 1)


def test_the_command_says_the_same_of_the_same_files(results: Results) -> None:
    for placed in results.calls:
        arguments = [str(placed.directory / party) for party in PARTIES]
        for (
            party,
            ips,
        ) in SECRETS.items():  # who is called and does not answer shows none of its own
            arguments += ["--secret", f"{party}={','.join(map(str, ips))}"]
        done = callveil("audit", "--json", *arguments)
        assert done.code == (1 if placed.exposed else 0), done.err
        document = json.loads(done.out)
        assert document["unsearched"] == []
        assert {leak["of"] for leak in document["leaks"]} == set(placed.exposed)


def test_a_call_that_could_not_all_be_searched_is_not_proved(results: Results) -> None:
    placed = results.calls[-1]
    gap = Gap("fragments", CALLER, 1, "a.pcap: 1 packet that is a fragment")
    report = dataclasses.replace(placed.report, unsearched=[gap])
    changed = Results([dataclasses.replace(placed, report=report)], [])
    assert not changed.is_proved
    assert "not everything could be searched" in render(changed)
    assert changed.as_document()["calls"][0]["audit"]["verdict"] != "clean"


def test_page_table_and_json_say_it_and_show_no_address(results: Results) -> None:
    page = render(results)
    table = io.StringIO()
    show(results, Console(file=table, width=400))
    document = json.dumps(results.as_document())
    assert "Everything is as promised." in page
    assert "src=" not in page
    assert "http" not in page
    for placed in results.calls:
        assert all(placed.scenario.title in text for text in (page, table.getvalue(), document))
    parties = (*topology.CALLER.addresses, *topology.CALLEE.addresses)
    assert find([page.encode(), table.getvalue().encode(), document.encode()], *parties) == []


def test_an_exposure_that_is_missing_or_unexpected_is_not_proved(results: Results) -> None:
    (off, _, on, *_) = results.calls
    for placed, scenario in ((on, scenarios.OFF_ANSWERED), (off, scenarios.CONTROL)):
        changed = Placed(
            scenario=scenario,
            report=placed.report,
            direct=0,
            relayed=1,
            frames=1,
            directory=placed.directory,
        )
        assert Results([changed], []).is_proved == (placed is off)
    leaking = Placed(scenarios.ONE_ANSWERED, off.report, 0, 1, 1, off.directory)
    assert words.verdict(leaking) == "an address leaked"
    assert not Results([leaking], []).is_proved
    assert "Something is not as promised." in render(Results([leaking], []))


@pytest.mark.parametrize("arguments", [["nope"], ["--nope"]])
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_without_root_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("audit: run as root")
    assert not (tmp_path / "out").exists()
