"""Against aioice's codec, written by others: it reads what they write and writes what they do."""

from aioice import stun

from relay.address import ClientAddress, PeerAddress
from relay.stun import integrity
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method, build, parse

KEY = bytes(range(16))
TRANSACTION = bytes(range(12))


def test_request_of_theirs_is_read_and_verified() -> None:
    theirs = stun.Message(
        message_method=stun.Method.CHANNEL_BIND,
        message_class=stun.Class.REQUEST,
        transaction_id=TRANSACTION,
    )
    theirs.attributes["CHANNEL-NUMBER"] = 0x4000
    theirs.attributes["XOR-PEER-ADDRESS"] = ("2001:db8::1", 50000)
    theirs.attributes["USERNAME"] = "1764000000:call:leg"
    theirs.attributes["NONCE"] = b"nonce"
    theirs.attributes["REALM"] = "callveil"
    theirs.add_message_integrity(KEY)
    theirs.add_fingerprint()
    message = parse(bytes(theirs))
    integrity.verify(message, KEY)
    assert (message.method, message.cls) == (Method.CHANNEL_BIND, Class.REQUEST)
    assert message.transaction_id == TRANSACTION
    assert message.get(Attribute.CHANNEL_NUMBER) == 0x4000
    assert message.get(Attribute.XOR_PEER_ADDRESS) == PeerAddress.parse("2001:db8::1", 50000)
    assert message.get(Attribute.USERNAME) == "1764000000:call:leg"
    assert message.get(Attribute.NONCE) == "nonce"
    assert message.get(Attribute.REALM) == "callveil"


def test_response_of_ours_is_the_same_bytes_as_theirs() -> None:
    ours = build(
        Method.ALLOCATE,
        Class.SUCCESS,
        TRANSACTION,
        [
            (Attribute.XOR_RELAYED_ADDRESS, PeerAddress.parse("192.0.2.1", 50000)),
            (Attribute.XOR_MAPPED_ADDRESS, ClientAddress.parse("2001:db8::1", 40000)),
            (Attribute.LIFETIME, 600),
        ],
        key=KEY,
        fingerprint=True,
    )
    theirs = stun.Message(
        message_method=stun.Method.ALLOCATE,
        message_class=stun.Class.RESPONSE,
        transaction_id=TRANSACTION,
    )
    theirs.attributes["XOR-RELAYED-ADDRESS"] = ("192.0.2.1", 50000)
    theirs.attributes["XOR-MAPPED-ADDRESS"] = ("2001:db8::1", 40000)
    theirs.attributes["LIFETIME"] = 600
    theirs.add_message_integrity(KEY)
    theirs.add_fingerprint()
    assert bytes(theirs) == ours
