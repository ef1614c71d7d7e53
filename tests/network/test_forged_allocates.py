"""A flood of Allocates from forged sources, of which the relay can look at a part only."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.calls import Access, connect, flowing, legs, mint
from tests.lab.relay import Relay
from tests.tools.hostile.flooder import flooding

PATHS = ("user",)

_NEWCOMERS = 20
_GROWTH_BYTES = 16 << 20
_PER_S, _LOSS = 200, 0.001


@pytest.fixture(params=[("forged", 45), ("forged-large", 200)], ids=["small", "large"])
def poured(relay: Relay, request: pytest.FixtureRequest) -> Iterator[int]:
    """100,000 or 25,000 a second while the test runs. Returns: the daemon's memory before."""
    resident = relay.resident_bytes()
    with flooding(relay, *request.param):
        yield resident


def _is_let_in(relay: Relay, number: int) -> bool:
    """Whether a client, which repeats its requests for four seconds each, gets an allocation."""
    credential = mint(f"newcomer-{number}", "leg")
    with connect(relay, relay.lab.callee, Access(), credential) as client:
        try:
            return client.allocate().code == 0
        except TimeoutError:
            return False


def test_calls_go_on_newcomers_get_in_and_calls_are_ended(relay: Relay, poured: int) -> None:
    before = relay.drops("unauthenticated_rate")
    with legs(relay) as call:
        call.bind()
        with flowing(call, _PER_S) as flow, ThreadPoolExecutor(_NEWCOMERS) as pool:
            let_in = list(pool.map(lambda n: _is_let_in(relay, n), range(_NEWCOMERS)))
        assert call.caller.bind(0x4322, call.callee.relayed) == 400  # a request is answered
    assert flow.sent > 0
    assert flow.lost() <= 2 * flow.sent * _LOSS
    assert sum(let_in) >= 0.9 * _NEWCOMERS
    assert relay.drops("unauthenticated_rate") > before
    assert relay.resident_bytes() - poured < _GROWTH_BYTES
    assert relay.drops("internal") == 0
