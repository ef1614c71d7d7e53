"""A forged source that guesses addresses: nobody is told anything, and it is seen."""

from relay.address import ClientAddress, FiveTuple
from relay.effects import Count
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import LISTENER, Relay


def flood(relay: Relay, count: int, start: int = 0) -> list[DropReason]:
    """What as many guesses are counted as."""
    transport = relay.client().five_tuple.transport
    reasons = []
    for number in range(start, start + count):
        address = ClientAddress(bytes((198, 51)) + (number >> 14).to_bytes(2), number % 0x4000)
        five_tuple = FiveTuple(transport, address, LISTENER)
        (effect,) = relay.receive(wire.channel_data(0x4000, b"guess"), five_tuple)
        assert isinstance(effect, Count)
        assert effect.leg is None
        reasons.append(effect.reason)
    return reasons


def test_a_guess_that_misses_is_met_with_silence_however_near_it_is() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    real = alice.five_tuple.client
    transaction_id = bytes(12)
    send = [wire.peer(bob.relayed, transaction_id), (int(Attribute.DATA), b"x")]
    datagrams = [
        wire.channel_data(0x4001, b"x"),
        wire.channel_data(0x4FFF, b"x"),
        wire.build(Method.SEND, Class.INDICATION, transaction_id, send),
    ]
    for address in (
        ClientAddress(real.packed, real.port + 1),
        ClientAddress(bytes((203, 0, 113, 9)), real.port),
        ClientAddress(bytes((203, 0, 113, 9)), 9),
    ):
        for datagram in datagrams:
            guessed = alice.five_tuple._replace(client=address)
            assert relay.receive(datagram, guessed) == [Count(DropReason.NO_ALLOCATION)]


def test_data_from_very_many_addresses_without_an_allocation_is_counted_as_guesses() -> None:
    relay = Relay()
    relay.bound_pair()
    reasons = flood(relay, 3000)
    assert reasons[:1000] == [DropReason.NO_ALLOCATION] * 1000
    assert set(reasons[1200:]) == {DropReason.GUESSED}


def test_much_data_from_few_is_none() -> None:
    """Calls that have ended: their clients go on for a while."""
    relay = Relay()
    for _ in range(30):
        assert set(flood(relay, 100)) == {DropReason.NO_ALLOCATION}


def test_a_few_a_minute_are_none_and_the_alarm_ends_with_its_minute() -> None:
    relay = Relay()
    flood(relay, 2000)
    for start in range(0, 4000, 900):
        relay.advance(61)
        assert set(flood(relay, 900, start)) == {DropReason.NO_ALLOCATION}


def test_as_many_as_there_are_allocations_may_have_ended_at_once() -> None:
    relay = Relay(allocations=5000, ports=range(50000, 60000))
    for number in range(2000):
        relay.allocated("alice", str(number))
    assert set(flood(relay, 1900)) == {DropReason.NO_ALLOCATION}
    assert DropReason.GUESSED in flood(relay, 3000, 1900)
