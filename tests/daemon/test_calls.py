"""A call's life through the HTTP API, as its two TURN clients see it."""

from tests.daemon.talking import CHANNEL, has_heard_nothing, hears, joined
from tests.kit.daemon import Config, Daemon


def dropped_of(view: Config) -> dict[str, int]:
    """Packets that went no further, by party."""
    return {name: party["dropped"] for name, party in view["parties"].items()}


def test_nothing_crosses_before_the_call_is_accepted(daemon: Daemon) -> None:
    call = daemon.create_call(ring=True)
    assert call["state"] == "ringing"
    alice, bob = joined(daemon, call)
    for client, other in ((alice, bob), (bob, alice)):
        client.send_on(CHANNEL, b"too early")
        client.send(other.relayed, b"too early as well")
        assert has_heard_nothing(client, other)
    assert daemon.drops("ringing") == 4
    assert dropped_of(daemon.view(call)) == {"alice": 2, "bob": 2}
    assert daemon.metric('callveil_routes{path="user"}') == 0
    accepted = daemon.ask("POST", f"/v1/calls/{call['id']}/accept")
    assert (accepted.status, accepted.body["state"]) == (200, "active")
    assert hears(alice, bob, b"now")
    assert hears(bob, alice, b"and back")
    assert daemon.metric('callveil_routes{path="user"}') == 2
    assert daemon.drops("ringing") == 4


def test_the_end_silences_at_once(daemon: Daemon) -> None:
    call, other = daemon.create_call(), daemon.create_call()
    alice, bob = joined(daemon, call)
    carol, dave = joined(daemon, other)
    assert hears(alice, bob, b"while it lasts")
    daemon.end_call(call)
    for client, peer in ((alice, bob), (bob, alice)):
        client.send_on(CHANNEL, b"after the end")
        client.send(peer.relayed, b"after the end")
        assert has_heard_nothing(client, peer)
    assert daemon.drops("no_allocation") == 4
    assert daemon.metric('callveil_allocations{transport="udp"}') == 2
    assert daemon.metric('callveil_routes{path="user"}') == 2
    daemon.end_call(call)
    assert alice.allocate().code == 403
    assert hears(carol, dave, b"other calls go on")


def test_a_party_cannot_take_the_others_place(daemon: Daemon) -> None:
    first, second = daemon.create_call(), daemon.create_call()
    alice, bob = joined(daemon, first)
    mallory = daemon.party(second, "alice")
    assert mallory.allocate().code == 0
    assert mallory.bind(CHANNEL, bob.relayed) == 403
    assert mallory.permit(alice.relayed) == 403
    mallory.send(bob.relayed, b"let me in")
    assert has_heard_nothing(mallory, bob)
    assert daemon.drops("not_a_sibling") == 1


def test_statistics_of_legs_add_up_to_the_metrics(daemon: Daemon) -> None:
    calls = [daemon.create_call(max_bitrate_bps=16_000) for _ in range(3)]
    for number, call in enumerate(calls):
        alice, bob = joined(daemon, call)
        for size in range(number + 1):
            assert hears(alice, bob, bytes(size))
        alice.send(bob.relayed, b"as an indication")
        assert bob.receive() is not None
        bob.send_on(CHANNEL, bytes(1001))  # over half a second of 16,000 bit/s
        bob.send_on(CHANNEL + 1, b"no such channel")
        assert hears(bob, alice, b"back")
    views = [daemon.view(call)["parties"] for call in calls]
    alices, bobs = [view["alice"] for view in views], [view["bob"] for view in views]
    assert [leg["packets"] for leg in alices] == [2, 3, 4]
    assert [leg["bytes"] for leg in alices] == [16 + 0, 16 + 1, 16 + 3]
    assert [(leg["packets"], leg["bytes"], leg["dropped"]) for leg in bobs] == [(1, 4, 2)] * 3
    legs = alices + bobs
    assert all(leg["connected"] and leg["transport"] == "udp" for leg in legs)
    assert sum(leg["packets"] for leg in legs) == daemon.metric(
        'callveil_packets_total{path="user"}'
    )
    assert sum(leg["bytes"] for leg in legs) == daemon.metric('callveil_bytes_total{path="user"}')
    assert sum(leg["dropped"] for leg in legs) == (
        daemon.drops("over_bitrate") + daemon.drops("no_channel")
    )
    assert daemon.metric('callveil_calls{state="active"}') == 3
    assert daemon.metric('callveil_allocations{transport="udp"}') == 6
