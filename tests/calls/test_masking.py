"""Which calls are relayed and who is masked in them."""

from itertools import product

import pytest

from relay.calls.making import Party
from relay.calls.rules import Masking, Policy, Rules
from tests.calls.stage import ALICE, BOB, CAROL, Stage

ROWS = [
    (Policy.ASKED, Masking.BOTH, (ALICE, BOB), True, ["alice", "bob"]),
    (Policy.ASKED, Masking.BOTH, (BOB, CAROL), False, []),
    (Policy.ASKED, Masking.OPTED_IN, (ALICE, BOB), True, ["alice"]),
    (Policy.ASKED, Masking.OPTED_IN, (BOB, CAROL), False, []),
    (Policy.ALWAYS, Masking.BOTH, (ALICE, BOB), True, ["alice", "bob"]),
    (Policy.ALWAYS, Masking.BOTH, (BOB, CAROL), True, ["bob", "carol"]),
    (Policy.ALWAYS, Masking.OPTED_IN, (ALICE, BOB), True, ["alice"]),
    (Policy.ALWAYS, Masking.OPTED_IN, (BOB, CAROL), True, []),
    (Policy.ASKED, Masking.BOTH, (BOB, CAROL, ALICE), True, ["bob", "carol", "alice"]),
    (Policy.ASKED, Masking.OPTED_IN, (BOB, CAROL, ALICE), True, ["alice"]),
]


def test_the_rows_cover_every_policy_and_masking() -> None:
    assert {row[:2] for row in ROWS} == set(product(Policy, Masking))


@pytest.mark.parametrize(("policy", "masking", "parties", "relayed", "masked"), ROWS)
def test_masking_follows_policy_and_what_the_parties_asked_for(
    policy: Policy, masking: Masking, parties: tuple[Party, ...], relayed: bool, masked: list[str]
) -> None:
    stage = Stage(Rules(policy=policy, masking=masking), peers="relay")
    call = stage.create(*parties)
    assert (call.relayed, call.masked) == (relayed, masked)
    assert [leg.masked for leg in call.legs] == [party.id in masked for party in parties]
    assert call.closed == relayed
    assert {stage.allocate(call.id, leg.id) for leg in call.legs} == {0}
    closed = Stage(Rules(policy=policy, masking=masking), peers="call").create(*parties)
    assert (closed.relayed, closed.masked, closed.closed) == (relayed, masked, True)


def test_a_call_that_only_a_credential_names_is_relayed_with_everybody_masked() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    assert stage.allocate("room", "one") == 0
    call = stage.call("room")
    assert (call.relayed, call.masked, call.legs[0].masked) == (True, ["one"], True)


HALF_RELAYED = [
    (Policy.ASKED, Masking.BOTH, (ALICE, BOB), []),
    (Policy.ASKED, Masking.OPTED_IN, (BOB, CAROL), ["bob", "carol"]),  # not relayed at all
    (Policy.ASKED, Masking.OPTED_IN, (ALICE, BOB), ["bob"]),
    (Policy.ALWAYS, Masking.OPTED_IN, (ALICE, BOB), ["bob"]),
    (Policy.ALWAYS, Masking.OPTED_IN, (BOB, CAROL), []),
    (Policy.ASKED, Masking.OPTED_IN, (ALICE, BOB, Party("dan", True)), ["bob"]),
    (Policy.ASKED, Masking.OPTED_IN, (ALICE, BOB, CAROL), []),  # they would meet past the relay
]


@pytest.mark.parametrize(("policy", "masking", "parties", "direct"), HALF_RELAYED)
def test_the_one_unmasked_party_of_a_relayed_call_may_use_its_own_address(
    policy: Policy, masking: Masking, parties: tuple[Party, ...], direct: list[str]
) -> None:
    stage = Stage(Rules(policy=policy, masking=masking))
    call = stage.create(*parties)
    assert [leg.name for leg in call.legs if call.is_direct(leg)] == direct
    is_half = call.relayed and bool(direct)
    assert call.half_relayed == is_half
    assert {stage.allocate(call.id, leg.id) for leg in call.legs} == {0}


def test_relayed_ports_and_calls_that_only_a_credential_names_are_never_half_relayed() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    assert not stage.create(ALICE, BOB, ports=True).half_relayed
    assert stage.allocate("room", "one") == 0
    assert not stage.call("room").half_relayed
