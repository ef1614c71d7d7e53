"""What any answer of the TURN server may hold: a closed list, and no address but the relay's."""

from relay.address import Transport
from relay.effects import Effect, Send
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import LISTENER, RELAY_IPV4, RELAY_IPV6, UDP_RELAYED, Client, Relay

_ALLOWED = {
    Attribute.ERROR_CODE,
    Attribute.UNKNOWN_ATTRIBUTES,
    Attribute.REALM,
    Attribute.NONCE,
    Attribute.PASSWORD_ALGORITHMS,
    Attribute.MESSAGE_INTEGRITY,
    Attribute.FINGERPRINT,
    Attribute.XOR_RELAYED_ADDRESS,
    Attribute.XOR_MAPPED_ADDRESS,
    Attribute.XOR_PEER_ADDRESS,
    Attribute.LIFETIME,
    Attribute.RESERVATION_TOKEN,
    Attribute.ADDRESS_ERROR_CODE,
    Attribute.DATA,
}
"""Neither SOFTWARE nor ALTERNATE-SERVER, RESPONSE-ORIGIN, OTHER-ADDRESS or ICMP."""

_ADDRESSES = {
    Attribute.XOR_RELAYED_ADDRESS,
    Attribute.XOR_MAPPED_ADDRESS,
    Attribute.XOR_PEER_ADDRESS,
}
_METHODS = [*Method, 0x00F, 0xFFF]


def _sent(effects: list[Effect]) -> list[bytes]:
    return [effect.datagram for effect in effects if isinstance(effect, Send)]


def _bodies(client: Client, sibling: Client, transaction: bytes) -> list[wire.Attributes]:
    """Attributes that make requests of this transaction good, bad and strange."""
    peers = [wire.peer(address, transaction) for address in (sibling.relayed, client.relayed)]
    return [
        [],
        [wire.transport(6)],
        [wire.transport(UDP_RELAYED)],
        [wire.transport(UDP_RELAYED), wire.even_port(reserve=True)],
        [wire.transport(UDP_RELAYED), wire.additional_family(2)],
        [wire.lifetime(0)],
        *([peer, wire.channel_number(0x4000)] for peer in peers),
        [(0x7FFE, b"x")],
        [(Attribute.SOFTWARE, b"a client"), (Attribute.ALTERNATE_SERVER, bytes(8))],
        [(0x802B, bytes(8)), (0x802C, bytes(8))],  # RESPONSE-ORIGIN, OTHER-ADDRESS: RFC 5780
        [(Attribute.XOR_PEER_ADDRESS, b"short")],
    ]


def _answers(transport: Transport) -> list[bytes]:
    """Everything that is sent for every method with every body, signed and not, held and not."""
    relay = Relay(unauthenticated_per_s=100_000, relayed_ips=(RELAY_IPV4, RELAY_IPV6))
    answers: list[bytes] = []
    for method in _METHODS:
        call = f"call{method}"  # credentials begin it, so everybody is masked
        alice, bob = relay.pair(call)
        for holder in (alice, relay.client(call=call, transport=transport)):
            holder.challenge()
            for number in range(len(_bodies(alice, bob, bytes(12)))):
                transaction = holder.transaction()
                body = _bodies(alice, bob, transaction)[number]
                unsigned = wire.build(method, Class.REQUEST, transaction, body)
                answers += _sent(relay.receive(unsigned, holder.five_tuple))
                exchange = holder.request(method, *body, transaction_id=transaction)
                answers += _sent(exchange.effects)
        relay.end(call)
    return answers


def test_no_answer_holds_more_than_a_closed_list_and_no_address_but_the_relays() -> None:
    answers = [wire.parse(each) for transport in Transport for each in _answers(transport)]
    assert len(answers) > 200
    codes = {answer.code for answer in answers}
    assert {0, 400, 401, 420, 437, 442} <= codes
    for answer in answers:
        assert set(answer.kinds) <= _ALLOWED
        for kind in set(answer.kinds).intersection(_ADDRESSES):
            packed, _ = answer.address(kind)
            assert packed in (RELAY_IPV4, RELAY_IPV6)
            assert packed != LISTENER.packed
