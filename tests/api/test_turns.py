"""A flood of what parties send waits for itself, and nothing else waits for it."""

import asyncio
import gc

import pytest

from relay.api.turns import Turns
from tests.api.memory_relay import Api
from tests.api.test_signaling import THEIRS

FLOOD = 200


@pytest.mark.parametrize(
    ("what", "sent"),
    [("candidate", {"candidate": THEIRS}), ("description", {"sdp": "v=0\r\n"})],
)
async def test_what_came_after_a_flood_of_one_call_is_answered_before_it(
    what: str, sent: dict[str, str]
) -> None:
    api = Api()
    *flooded, other = [(await api.create(ring=False))["id"] for _ in range(3)]
    answered: list[str] = []

    async def ask(who: str, method: str, path: str, body: object = None) -> None:
        await api(method, path, json=body)
        answered.append(who)

    flood = [
        ask("flood", "POST", f"/v1/calls/{call}/{what}", {"from": "alice", **sent})
        for call in flooded
        for _ in range(FLOOD)
    ]
    rest = [
        ask("other", "POST", f"/v1/calls/{other}/{what}", {"from": "bob", **sent}),
        *(ask("end", "DELETE", f"/v1/calls/{call}") for call in flooded),
    ]
    await asyncio.gather(*flood, *rest)
    assert len(answered) == 2 * FLOOD + 3
    assert sorted(answered[:19]) == ["end"] * 2 + ["flood"] * 16 + ["other"]


async def test_no_more_than_eight_of_a_call_are_under_way_and_in_their_order() -> None:
    turns, entered, may_leave = Turns(), list[int](), asyncio.Event()

    async def hold(number: int) -> None:
        async with turns.of("cv_one"):
            entered.append(number)
            await may_leave.wait()

    tasks = [asyncio.create_task(hold(number)) for number in range(20)]
    async with turns.of(""), turns.of("cv_two"):
        await asyncio.sleep(0)
    assert entered == [*range(8)]
    may_leave.set()
    await asyncio.gather(*tasks)
    assert entered == [*range(20)]


async def test_nothing_is_kept_of_a_call_once_its_requests_are_answered() -> None:
    turns = Turns()
    for number in range(3):
        async with turns.of(f"cv_{number}"):
            assert len(turns) == 1
    gc.collect()
    assert len(turns) == 0
