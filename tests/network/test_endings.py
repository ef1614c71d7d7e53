"""However a call ends, every leg of it is silent within one second, on every transport."""

import time
from collections.abc import Callable

import pytest

from relay.stun.message import Method
from tests.kit.polling import wait_until
from tests.lab.calls import Access, Flow, Legs, flowing, legs
from tests.lab.relay import Relay

_LIMIT_S = 1.0  # PRIVACY.md's guarantee 5
_WATCHED_S = 1.5
_DURATION_S = 2
_MISMATCH = 437


def _delete(relay: Relay, call: Legs, _: float) -> float:
    """Through the API; and again, which is no error."""
    ended = time.monotonic()
    relay.end_call(call.id)
    relay.end_call(call.id)
    return ended


def _expire(relay: Relay, call: Legs, created: float) -> float:
    """By reaching its longest duration."""
    wait_until(
        lambda: relay.ask("GET", f"/v1/calls/{call.id}").body.get("state") != "active",
        "the call has ended by itself",
    )
    return created + _DURATION_S


@pytest.mark.parametrize(
    ("end", "duration_s"), [(_delete, 3600), (_expire, _DURATION_S)], ids=["deleted", "expired"]
)
@pytest.mark.parametrize("transports", [("udp", "udp"), ("tcp", "udp"), ("tls", "tcp")])
def test_an_ended_call_is_silent_within_a_second(
    relay: Relay,
    end: Callable[[Relay, Legs, float], float],
    duration_s: int,
    transports: tuple[str, str],
) -> None:
    caller, callee = (Access(transport) for transport in transports)
    with legs(relay, caller=caller, callee=callee, max_duration_s=duration_s) as call:
        created = time.monotonic()  # a little later than it was: that is to the daemon's favour
        call.bind()
        with flowing(call, settle_s=0) as flow:
            wait_until(lambda: all(flow.arrived.values()), "something arrives on both sides")
            ended = end(relay, call, created)
            wait_until(lambda: time.monotonic() > ended + _WATCHED_S, "it was watched for long")
        assert _last_that_arrived(flow) < ended + _LIMIT_S
        assert flow.lost() > 0
        assert call.caller.request(Method.REFRESH).code == _MISMATCH
        assert call.callee.request(Method.REFRESH).code == _MISMATCH


def _last_that_arrived(flow: Flow) -> float:
    """When it was sent: how long it took to be read says more about the machine."""
    return max(flow.sent_at[number] for arrived in flow.arrived.values() for number in arrived)
