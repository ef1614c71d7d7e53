"""One trickled candidate: ours, written anew, or nothing."""

import pytest

from relay.sdp import LegDescription, RebuiltCandidate, RemovedKind, rebuild_candidate
from relay.sdp.candidates import MAX_CANDIDATE_CHARACTERS
from tests.sdp.samples import LEG, leaks

OURS = "candidate:1 1 udp 50331647 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"
THEIRS = (
    "candidate:3498147984 1 udp 41885695 192.0.2.1 50000 typ relay raddr 198.51.100.213 rport 61002"
    " generation 0 network-id 1 network-cost 10"
)


def _kinds(rebuilt: RebuiltCandidate) -> list[RemovedKind]:
    return [each.kind for each in rebuilt.removed]


@pytest.mark.parametrize(
    "text", [THEIRS, f"a={THEIRS}", f" {THEIRS}\r\n", THEIRS.replace(" ", "  ")]
)
def test_a_relay_candidate_of_the_leg_is_written_anew(text: str) -> None:
    rebuilt = rebuild_candidate(text, LEG)
    assert (rebuilt.candidate, _kinds(rebuilt)) == (OURS, [RemovedKind.CANDIDATE_DETAIL])


def test_what_was_rebuilt_stays_as_it_is() -> None:
    assert rebuild_candidate(OURS, LEG) == RebuiltCandidate(OURS, ())


def test_the_ice_generation_it_belongs_to_is_kept() -> None:
    assert rebuild_candidate(f"{THEIRS} ufrag Rst4", LEG).candidate == f"{OURS} ufrag Rst4"
    assert rebuild_candidate(f"{THEIRS} ufrag 10.77.31.9", LEG).candidate == OURS


def test_the_end_of_candidates_is_passed_on() -> None:
    assert rebuild_candidate("", LEG) == RebuiltCandidate("", ())


@pytest.mark.parametrize(
    "spelling", ["2001:db8:ffff::1", "2001:DB8:FFFF:0:0:0:0:1", "2001:db8:ffff::1%eth0"]
)
def test_an_address_of_ours_is_known_in_every_spelling_and_written_in_ours(spelling: str) -> None:
    text = f"candidate:5 1 UDP 41885695 {spelling} 50001 typ relay raddr :: rport 0"
    assert rebuild_candidate(text, LEG).candidate == (
        "candidate:3 1 udp 50331135 2001:db8:ffff::1 50001 typ relay raddr 0.0.0.0 rport 9"
    )


def test_a_masked_clients_reflexive_candidate_is_its_relayed_address_and_says_so() -> None:
    text = "candidate:9 1 udp 1694498815 192.0.2.1 50000 typ srflx raddr 10.77.31.9 rport 1"
    assert rebuild_candidate(text, LEG).candidate == OURS.replace("50331647", "16777215")


def test_the_local_preference_goes_and_the_order_of_transports_stays() -> None:
    preferences = [(2 << 24) | (77 << 8) | 255, (1 << 24) | (99 << 8) | 255, 4_294_967_295]
    written = [
        str(rebuild_candidate(THEIRS.replace("41885695", str(p)), LEG).candidate).split()[3]
        for p in preferences
    ]
    assert written == ["50331647", "33554431", "16777215"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("candidate:1 1 udp 2122260223 10.77.31.9 5000 typ host", RemovedKind.CANDIDATE_HOST),
        ("candidate:1 1 udp 1 198.51.100.213 5 typ srflx raddr 10.77.31.9 rport 5",
         RemovedKind.CANDIDATE_SRFLX),
        ("candidate:1 1 udp 1 198.51.100.213 5 typ prflx raddr 10.77.31.9 rport 5",
         RemovedKind.CANDIDATE_PRFLX),
        ("candidate:1 1 udp 1 203.0.113.55 5 typ relay raddr 10.77.31.9 rport 5",
         RemovedKind.CANDIDATE_RELAY),
        ("candidate:1 1 udp 1 192.0.2.1 50004 typ relay raddr 0.0.0.0 rport 9",
         RemovedKind.CANDIDATE_RELAY),
        ("candidate:1 1 tcp 1 192.0.2.1 50000 typ host tcptype passive", RemovedKind.CANDIDATE_TCP),
        ("candidate:1 1 udp 1 a-b-c-d.local 5 typ host", RemovedKind.CANDIDATE_MDNS),
        ("candidate:1 1 udp 1 phone.alice.example 5 typ host", RemovedKind.CANDIDATE_NAME),
        ("candidate:1 1 udp 1 3325256917 5 typ host", RemovedKind.CANDIDATE_NAME),
        ("candidate:1 1 udp 1 fe80::a4d:1f09%wlan0 5 typ host", RemovedKind.CANDIDATE_HOST),
        ("candidate:1 2 udp 1 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9",
         RemovedKind.CANDIDATE_RTCP),
        ("candidate:1 1 udp 1 10.77.31.9 5 typ new", RemovedKind.CANDIDATE_UNREADABLE),
        ("candidate:1 1 udp x 10.77.31.9 5 typ host", RemovedKind.CANDIDATE_UNREADABLE),
        ("candidate:1 1 udp 1 10.77.31.9 5", RemovedKind.CANDIDATE_UNREADABLE),
        ("10.77.31.9", RemovedKind.CANDIDATE_UNREADABLE),
        (
            "candidate:1 1 udp 1 192.0.2.1 \u0665\u0660000 typ relay",
            RemovedKind.CANDIDATE_UNREADABLE,
        ),
        (f"{THEIRS} x {'y' * MAX_CANDIDATE_CHARACTERS}", RemovedKind.CANDIDATE_UNREADABLE),
    ],
)  # fmt: skip
def test_every_other_candidate_is_dropped_and_counted(text: str, kind: RemovedKind) -> None:
    rebuilt = rebuild_candidate(text, LEG)
    assert (rebuilt.candidate, _kinds(rebuilt)) == (None, [kind])
    assert leaks(repr(rebuilt)) == []


def test_without_known_relayed_addresses_every_candidate_is_dropped() -> None:
    assert rebuild_candidate(THEIRS, LegDescription()).candidate is None


def test_an_unmasked_partys_candidate_stays_as_it_is_if_it_is_text() -> None:
    leg = LegDescription(masked=False)
    host = "candidate:1 1 udp 2122260223 10.77.31.9 5000 typ host generation 0"
    assert rebuild_candidate(host, leg) == RebuiltCandidate(host, ())
    zoned = host.replace("10.77.31.9", "fe80::1%attacker.example")
    for hostile in (
        f"{host}\r\na=tool:x",
        f"{host}\u2028a=tool:x",
        "tool:x",
        f"{host}\x0bx",
        zoned,
    ):
        assert rebuild_candidate(hostile, leg).candidate is None


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("8d3b2a71-5f61-4c9a-b0f3-1de2a1c60002.local", RemovedKind.CANDIDATE_MDNS),
        ("A.LOCAL", RemovedKind.CANDIDATE_MDNS),
        ("who-rings.attacker.example", RemovedKind.CANDIDATE_NAME),
        ("fe80::zz", RemovedKind.CANDIDATE_NAME),
        ("3232235777", RemovedKind.CANDIDATE_NAME),
    ],
)
def test_nobody_has_a_name_looked_up_by_the_other_side(host: str, kind: RemovedKind) -> None:
    text = f"candidate:1 1 udp 2122260223 {host} 5000 typ host"
    for masked in (True, False):
        rebuilt = rebuild_candidate(text, LegDescription(masked=masked))
        assert (rebuilt.candidate, _kinds(rebuilt)) == (None, [kind])


def test_a_relayed_address_that_is_none_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        LegDescription([("relay.example", 50000)])
