"""Whoever may not be in a call cannot tell why: every refusal is the same."""

from relay.calls.call import RING_TIMEOUT_S
from relay.stun.attributes import Attribute
from tests.calls.stage import ALICE, BOB, CAROL
from tests.daemon.stage import Stage, do
from tests.kit.loops import on_uvloop

_LEG = "A" * 22


@on_uvloop
async def test_absent_ended_timed_out_and_foreign_calls_refuse_alike(stage: Stage) -> None:
    """A blocked caller's call was ended or never made; an absent callee's has run out."""
    ended, timed_out = stage.create(), stage.create(ring=True)
    ended_leg, timed_out_leg = ended.legs[0].id, timed_out.legs[0].id
    ports = stage.create(ports=True)
    stage.engine.end(ended.id)
    stage.pass_time(RING_TIMEOUT_S)
    live = stage.create()
    left = stage.create(parties=(ALICE, BOB, CAROL))
    left_leg = left.legs[2].id
    stage.engine.end_party(left.id, "carol")
    refusals = set()
    for call, leg in (
        ("cv_" + _LEG, _LEG),
        (ended.id, ended_leg),
        (timed_out.id, timed_out_leg),
        (live.id, _LEG),
        (left.id, left_leg),
        (ports.id, ports.legs[0].id),
    ):
        answer = await do(stage.client(call, leg, stage.udp).allocate)
        assert answer.code == 403
        attributes = [
            (kind, value)
            for kind, value in answer.attributes
            if kind != Attribute.MESSAGE_INTEGRITY
        ]
        refusals.add((tuple(attributes), len(answer.raw)))
    assert len(refusals) == 1
    assert stage.allocations == 0
