"""aioice's TURN client on both sides of a call, over every pair of transports and families."""

from itertools import product
from pathlib import Path

import pytest

from relay.address import IPV4, IPV6
from relay.tools.audit.search import find
from tests.kit.daemon import Config
from tests.kit.polling import wait_until
from tests.kit.turn import credential_of
from tests.lab.calls import Access, flowing, legs
from tests.lab.capture import capturing
from tests.lab.party import Party, parties
from tests.lab.relay import TCP_PORT, TLS_PORT, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

CONFIG: Config = {"limits": {"unauthenticated_per_s": 1000}}

_MESSAGES = 300
_HELLO = "hello"
_ACCESSES = [Access(transport, host) for transport in ("udp", "tcp", "tls") for host in RELAY]


def _id(how: object) -> str:
    assert isinstance(how, Access)
    return f"{how.transport}-{'v6' if ':' in how.host else 'v4'}"


@pytest.mark.parametrize(
    ("caller_how", "callee_how"),
    [
        (Access(one, RELAY.v4), Access(other, RELAY.v4))
        for one, other in product(("udp", "tcp", "tls"), repeat=2)
    ]
    + [
        (Access("udp", RELAY.v6), Access("udp", RELAY.v6)),
        (Access("udp", RELAY.v4), Access("udp", RELAY.v6)),
        (Access("tcp", RELAY.v6), Access("udp", RELAY.v4)),
        (Access("tls", RELAY.v6), Access("tcp", RELAY.v6)),
    ],
    ids=_id,
)
def test_aioice_clients_exchange_every_message_in_order(
    lab: Lab, relay: Relay, caller_how: Access, callee_how: Access
) -> None:
    call = relay.create_call()
    with parties(lab) as (caller, callee):
        at_caller = _allocate(relay, call, caller, "caller", caller_how)
        at_callee = _allocate(relay, call, callee, "callee", callee_how)
        # Nobody asks for a family: that of the first one's listener is everybody's.
        assert at_caller[0] == at_callee[0] == caller_how.host
        _meet(caller, at_caller, callee, at_callee)

        texts = [f"{number} {'x' * (number % 7)}" for number in range(_MESSAGES)]
        caller.ask("send", to=at_callee, texts=[f"caller {text}" for text in texts])
        callee.ask("send", to=at_caller, texts=[f"callee {text}" for text in texts])

        for receiver, sender in ((callee, "caller"), (caller, "callee")):
            expected = [f"{sender} {text}" for text in texts]
            _wait_for(receiver, expected[-1])
            assert [text for text in _received(receiver) if text != _HELLO] == expected

        statistics = relay.statistics(call)
        for party, how in (("caller", caller_how), ("callee", callee_how)):
            assert statistics[party]["transport"] == how.transport
        relay.end_call(call)


def _allocate(relay: Relay, call: Config, party: Party, name: str, how: Access) -> list[object]:
    """Allocate with what the API gave to the party; returns the relayed address."""
    username, password = credential_of(call, name)
    outcome = party.ask(
        "allocate",
        server=[how.host, TLS_PORT if how.transport == "tls" else TCP_PORT],
        transport=how.transport,
        username=username,
        password=password,
        ca=str(relay.certificate.certificate),
    )
    relayed: list[object] = outcome["relayed"]
    return relayed


def _meet(caller: Party, at_caller: object, callee: Party, at_callee: object) -> None:
    """Say hello until both have heard it: the first is lost while the other has not bound."""

    def have_met() -> bool:
        caller.ask("send", to=at_callee, texts=[_HELLO])
        callee.ask("send", to=at_caller, texts=[_HELLO])
        return bool(_received(caller) and _received(callee))

    wait_until(have_met, "each has heard the other")


def _received(party: Party) -> list[str]:
    texts: list[str] = party.ask("received")["texts"]
    return texts


def _wait_for(party: Party, text: str) -> None:
    wait_until(lambda: text in _received(party), "the last message arrives")


@pytest.mark.parametrize("how", _ACCESSES, ids=_id)
def test_a_call_between_ipv6_relayed_addresses_loses_nothing(relay: Relay, how: Access) -> None:
    with legs(relay, caller=how, callee=Access("udp", RELAY.v4), family=IPV6) as call:
        call.bind()
        with flowing(call) as flow:
            wait_until(lambda: flow.sent >= 50, "fifty packets each way are sent")
        assert flow.lost() == 0


@pytest.mark.parametrize("family", [IPV4, IPV6], ids=["v4-leg", "v6-leg"])
@pytest.mark.parametrize("host", RELAY, ids=["v4", "v6"])
def test_indications_cross_before_channels_are_bound_and_name_nobody(
    lab: Lab, relay: Relay, tmp_path: Path, family: int, host: str
) -> None:
    udp, tcp = Access("udp", host), Access("tcp", host)
    with (
        capturing(lab, tmp_path, ["caller", "callee"]) as captures,
        legs(relay, caller=udp, callee=tcp, family=family) as call,
    ):
        assert call.callee.permit(call.caller.relayed) == 0
        call.caller.send(call.callee.relayed, b"not yet permitted by the caller itself")
        assert call.caller.permit(call.callee.relayed) == 0
        call.caller.send(call.callee.relayed, b"now")
        call.callee.send(call.caller.relayed, b"and back")
        for client, data in ((call.callee, b"now"), (call.caller, b"and back")):
            indication = client.receive()
            assert indication is not None
            assert indication[:2] == b"\x00\x17"
            assert data in indication
        frames = {name: capture.frames() for name, capture in captures.items()}
    assert find(frames["caller"], *CALLEE.addresses) == []
    assert find(frames["callee"], *CALLER.addresses) == []
