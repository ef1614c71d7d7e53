"""What the page about the RFCs says of attributes that are not implemented."""

import pytest

from relay.stun.attributes import Attribute
from tests.docs.pages import read
from tests.turn.client import Relay

_REFUSED = {
    Attribute.PASSWORD_ALGORITHM: bytes.fromhex("00020000"),
    Attribute.USERHASH: bytes(32),
    Attribute.PRIORITY: bytes(4),
    Attribute.USE_CANDIDATE: b"",
}


@pytest.mark.parametrize("attribute", _REFUSED, ids=lambda attribute: attribute.name)
def test_an_attribute_that_is_not_implemented_is_420(attribute: Attribute) -> None:
    assert attribute.name.replace("_", "-") in read("docs/rfc.md")
    exchange = Relay().client().allocate((attribute, _REFUSED[attribute]))
    assert exchange.code == 420
    assert exchange.answer.value(Attribute.UNKNOWN_ATTRIBUTES) == attribute.to_bytes(2, "big")
