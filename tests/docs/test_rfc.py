"""What the page about the RFCs says of attributes that are not implemented."""

import pytest

from relay.stun.attributes import Attribute, AttributeType
from tests.docs.pages import read
from tests.turn.client import Relay

_REFUSED = {
    "PRIORITY": bytes(4),
    "USE-CANDIDATE": b"",
}


@pytest.mark.parametrize("name", _REFUSED)
def test_an_attribute_that_is_not_implemented_is_420(name: str) -> None:
    assert name in read("docs/rfc.md")
    attribute: AttributeType[object] = getattr(Attribute, name.replace("-", "_"))
    exchange = Relay().client().allocate((attribute, _REFUSED[name]))
    assert exchange.code == 420
    assert exchange.answer.value(Attribute.UNKNOWN_ATTRIBUTES) == attribute.number.to_bytes(2)
