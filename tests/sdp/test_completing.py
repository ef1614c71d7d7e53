"""For clients without trickle: candidates that waited are put back where they belong."""

import pytest

from relay.sdp import HeldCandidate, LegDescription, Rebuilt, complete, rebuild
from relay.sdp.section import NOWHERE
from tests.sdp.samples import ACCEPTED, LEG, RELAYED, sample

SDP = (
    "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:sound\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:picture\r\n"
)
RINGING = Rebuilt(SDP, (), (), (NOWHERE, NOWHERE))
ONE, TWO = (
    "candidate:1 1 udp 1 192.0.2.1 50000 typ relay",
    "candidate:2 1 udp 1 192.0.2.1 2 typ relay",
)


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_is_what_the_description_would_have_been_in_an_active_call(name: str) -> None:
    ringing = rebuild(sample(name), LegDescription(RELAYED, ringing=True))
    whole = rebuild(sample(name), LEG)
    end = "a=end-of-candidates\r\n"
    assert complete(ringing, ringing.held).replace(end, "") == whole.sdp.replace(end, "")


@pytest.mark.parametrize("name", ACCEPTED)
def test_passing_it_through_the_relay_twice_changes_nothing(name: str) -> None:
    """The second time its candidates are not in it: they wait already."""
    leg = LegDescription(RELAYED, ringing=True)
    once = rebuild(sample(name), leg)
    twice = rebuild(once.sdp, leg)
    assert (twice.sdp, twice.held) == (once.sdp, ())
    assert complete(twice, once.held) == complete(once, once.held)


def test_a_trickled_candidate_goes_to_its_section_by_mid_or_else_by_index() -> None:
    held = [HeldCandidate(ONE, "picture", 0), HeldCandidate(TWO, None, 0)]
    assert complete(RINGING, held) == SDP.replace("m=video", f"a={TWO}\r\nm=video") + f"a={ONE}\r\n"


def test_the_same_candidate_stands_there_once() -> None:
    held = [
        HeldCandidate(ONE, "sound", 0),
        HeldCandidate(ONE, None, 0),
        HeldCandidate(ONE, "sound", None),
    ]
    assert complete(RINGING, held).count(ONE) == 1


@pytest.mark.parametrize(
    "held",
    [
        HeldCandidate(ONE, None, None),
        HeldCandidate(ONE, None, 2),
        HeldCandidate(ONE, "other", None),
        HeldCandidate("", "sound", 0),
    ],
)
def test_what_has_no_place_in_it_is_left_out(held: HeldCandidate) -> None:
    assert complete(RINGING, [held]) == SDP
