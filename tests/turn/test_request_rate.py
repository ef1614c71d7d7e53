"""What one leg may ask: so many requests per second, however many allocations it has."""

from relay.effects import Count, Effect
from relay.errors import DropReason
from relay.stun.message import Method
from tests.kit import wire
from tests.turn.client import UDP_RELAYED, Client, Relay

PER_S = 50
BURST = 10 * PER_S


def is_looked_at(client: Client, method: int = Method.REFRESH) -> bool:
    """Whether a request gets an answer; if not, it must have been counted for the leg."""
    effects: list[Effect] = client.relay.receive(
        client.signed(method, [], client.transaction()), client.five_tuple
    )
    if effects == [Count(DropReason.REQUEST_RATE, client.leg)]:
        return False
    assert not any(isinstance(effect, Count) for effect in effects)
    return True


def use_up(client: Client) -> None:
    """Ask until nothing more is looked at."""
    assert not all(is_looked_at(client) for _ in range(BURST + 1))


def test_a_leg_has_ten_seconds_worth_at_once_and_then_its_rate() -> None:
    relay = Relay()
    alice = relay.allocated()
    assert sum(is_looked_at(alice) for _ in range(2 * BURST)) == BURST - 1  # and its Allocate
    relay.clock.advance(2)
    assert sum(is_looked_at(alice) for _ in range(2 * BURST)) == 2 * PER_S
    relay.clock.advance(100)
    assert sum(is_looked_at(alice) for _ in range(2 * BURST)) == BURST


def test_requests_that_are_refused_count_as_well() -> None:
    alice = Relay().allocated()
    methods = (Method.CHANNEL_BIND, Method.CREATE_PERMISSION, Method.ALLOCATE)
    looked_at = sum(is_looked_at(alice, methods[n % 3]) for n in range(2 * BURST))
    assert looked_at == BURST - 1


def test_a_legs_allocations_share_its_rate() -> None:
    relay = Relay()
    phone, tablet = relay.allocated("alice"), relay.allocated("alice")
    both = [phone, tablet] * BURST
    assert sum(is_looked_at(client) for client in both) == BURST - 2


def test_a_newer_username_of_the_same_leg_shares_it_too() -> None:
    relay = Relay()
    alice, renewed = relay.allocated(), relay.client(ttl_s=7200)
    use_up(alice)
    renewed.challenge()
    assert not is_looked_at(renewed)


def test_another_leg_of_the_call_and_the_same_name_in_another_have_their_own() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    other = relay.allocated("alice", "another")
    use_up(alice)
    assert is_looked_at(bob)
    assert is_looked_at(other)


def test_what_others_sign_in_its_name_costs_a_leg_nothing() -> None:
    relay = Relay(unauthenticated_per_s=1000)
    alice = relay.allocated()
    forged = relay.client("alice")
    forged.username, forged.key = alice.username, bytes(16)
    request = forged.signed(Method.ALLOCATE, [wire.transport(UDP_RELAYED)], bytes(12))
    for _ in range(2 * BURST):
        relay.receive(request, forged.five_tuple)
        relay.receive(request, alice.five_tuple)
    alice.refresh().accepted()
