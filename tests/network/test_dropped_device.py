"""Phone and tablet of one callee: whichever does not answer is out of the call, on both paths.

The tablet goes on sending all the while, and nothing of it arrives; the others lose nothing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.kit.polling import wait_until
from tests.kit.sockets import TurnClient
from tests.kit.turn import credential_of
from tests.lab.calls import Access, Flow, Legs, connect, flowing
from tests.lab.relay import Relay

PARTIES = [{"id": "caller", "enhanced_call_privacy": True}, {"id": "phone"}, {"id": "tablet"}]
_CHANNEL = 0x4B00
_FROM_TABLET = b"from the tablet" + bytes(145)  # as long as what the others send
_ITS_NUMBER = int.from_bytes(_FROM_TABLET[:8])
"""What a flow takes it for."""

_LIMIT_S = 1.0  # PRIVACY.md's guarantee 5


@contextmanager
def _three(relay: Relay, transport: str, *, ring: bool) -> Iterator[tuple[Legs, TurnClient]]:
    """A call of three, with channels between caller and phone and between caller and tablet.

    Args:
        transport: of caller and phone; the tablet's is UDP.
    """
    call = relay.ask("POST", "/v1/calls", {"parties": PARTIES, "ring": ring}).body
    lab, how = relay.lab, Access(transport)
    places = {"caller": (lab.caller, how), "phone": (lab.callee, how)}
    places["tablet"] = lab.callee, Access()
    with ExitStack() as stack:
        stack.callback(relay.ask, "DELETE", f"/v1/calls/{call['id']}")
        caller, phone, tablet = (
            stack.enter_context(connect(relay, *place, credential_of(call, name)))
            for name, place in places.items()
        )
        for client in (caller, phone, tablet):
            assert client.allocate().code == 0
        legs = Legs(call["id"], caller, phone)
        legs.bind()
        assert caller.bind(_CHANNEL, tablet.relayed) == 0
        assert tablet.bind(_CHANNEL, caller.relayed) == 0
        yield legs, tablet


@contextmanager
def _talking(tablet: TurnClient) -> Iterator[None]:
    """The tablet sends two hundred packets a second for one `with` block."""
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.005):
            tablet.send_on(_CHANNEL, _FROM_TABLET)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _until_it_has_tried(relay: Relay) -> None:
    """Wait until the relay has dropped a hundred packets more."""
    dropped = relay.drops()
    wait_until(lambda: relay.drops() > dropped + 100, "the tablet has tried")


def _missing(flow: Flow) -> set[int]:
    """What was sent between caller and phone, and did not arrive."""
    sent = set(range(flow.sent))
    return {number for arrived in flow.arrived.values() for number in sent - arrived.keys()}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_who_answers_loses_nothing_and_the_other_device_is_heard_by_nobody(
    relay: Relay, transport: str
) -> None:
    with _three(relay, transport, ring=True) as (call, tablet), _talking(tablet):
        accepted = relay.ask("POST", f"/v1/calls/{call.id}/accept", {"party": "phone"})
        assert list(accepted.body["parties"]) == ["caller", "phone"]
        with flowing(call) as flow:
            _until_it_has_tried(relay)
    assert flow.lost() == 0
    assert _ITS_NUMBER not in flow.arrived["caller"].keys() | flow.arrived["callee"].keys()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_device_that_is_dropped_mid_call_is_silent_and_the_others_lose_nothing(
    relay: Relay, transport: str
) -> None:
    with _three(relay, transport, ring=False) as (call, tablet):
        with flowing(call) as flow, _talking(tablet):
            wait_until(lambda: _ITS_NUMBER in flow.arrived["caller"], "the tablet is heard")
            path = f"/v1/calls/{call.id}/parties/tablet"
            assert [relay.ask("DELETE", path).status for _ in range(2)] == [204, 204]
            ended = time.monotonic()
            _until_it_has_tried(relay)
            sent = flow.sent
            wait_until(lambda: flow.sent > sent + 50, "the others went on")
        assert flow.arrived["caller"][_ITS_NUMBER] < ended + _LIMIT_S
        assert _missing(flow) == set()
        assert (tablet.allocate().code, call.caller.bind(0x4FFE, tablet.relayed)) == (403, 403)
        statistics = relay.statistics(call.id)
        assert list(statistics) == ["caller", "phone"]
        path = relay.path if transport == "udp" else "user"
        assert {party["path"] for party in statistics.values()} == {path}
