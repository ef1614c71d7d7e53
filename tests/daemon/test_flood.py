"""One party sends far more than a client would: whoever hangs up does not wait for it."""

import time

from tests.daemon.flooding import Flood, candidate_of, description_of
from tests.daemon.talking import has_heard_nothing, hears, joined
from tests.kit.daemon import Daemon

CONNECTIONS = 16
REQUESTS = 12_800
BURST = 2_048
"""Requests of one party at once that the relay looks at, however short they are."""
PER_S = 128
"""The same, in every second after that."""


def test_hanging_up_does_not_wait_for_a_flood_of_candidates(daemon: Daemon) -> None:
    call, other = daemon.create_call(), daemon.create_call()
    alice, bob = joined(daemon, call)
    begun = time.monotonic()
    one = [*[candidate_of(call, "alice")] * 7, description_of(call, "alice")]
    floods = [Flood(daemon, one * (REQUESTS // CONNECTIONS // 8)) for _ in range(CONNECTIONS)]
    for flood in floods:
        flood.until_refused()
    assert hears(alice, bob, b"while it lasts")
    daemon.end_call(call)
    for client, peer in ((alice, bob), (bob, alice)):
        client.send(peer.relayed, b"after the end")
        assert has_heard_nothing(client, peer)
    assert hears(*joined(daemon, other), b"other calls go on")
    answered = [flood.answered() for flood in floods]
    allowed = BURST + PER_S * (time.monotonic() - begun)
    looked_at = sum(statuses[200] + statuses[422] for statuses in answered)
    assert looked_at <= allowed
    assert all(set(statuses) <= {200, 422, 429, 409} for statuses in answered)
    # What was answered 409 was answered after the call had ended: all were in flight until then.
    assert all(statuses[409] for statuses in answered)
    ends = [flood.statuses[flood.statuses.index(409) :] for flood in floods]
    assert all(set(statuses) == {409} for statuses in ends)
