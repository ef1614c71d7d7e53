"""A short one of `make fuzz`: hostile messages of every kind do nothing to running calls."""

import pytest

from tests.lab.relay import Relay
from tests.tools.hostile.beside import run

_SEED = 8656
_MESSAGES = 30_000


@pytest.mark.parametrize("relay", ["user", "kernel"], indirect=True)
def test_hostile_messages_leave_no_fault_no_address_no_memory_and_lose_nothing(
    relay: Relay,
) -> None:
    told: list[int] = []
    outcome = run(relay, _MESSAGES, _SEED, told.append)
    assert outcome.faults == ()
    assert sum(outcome.sent.values()) >= _MESSAGES
    assert all(outcome.sent.values())
    assert outcome.flowed > 0
    assert told == sorted(told)
