"""What pages do while callveil has not answered yet: it is neither lost nor overtaken."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from examples.signaling.messages import parse
from examples.signaling.switchboard import Switchboard
from relay.client import AsyncClient
from tests.kit.daemon import Daemon, serving
from tests.kit.polling import PATIENCE_S, wait_until


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with serving() as running:
        yield running


class Slow(httpx.AsyncHTTPTransport):
    """A line on which requests of one method wait."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self.slow = slow
        self.has_asked = asyncio.Event()
        self.may_go = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == self.slow:
            self.has_asked.set()
            await self.may_go.wait()
        return await super().handle_async_request(request)


class Page:
    """What a page was told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def tell(self, message: dict[str, Any]) -> None:
        self.told.put_nowait(message)

    async def until(self, type_: str) -> dict[str, Any]:
        while (message := await asyncio.wait_for(self.told.get(), PATIENCE_S))["type"] != type_:
            pass
        return message


async def two_pages(switchboard: Switchboard) -> tuple[Page, Page]:
    """Alice and Bob; she may call him."""
    alice, bob = Page(), Page()
    for page, name in ((alice, "alice"), (bob, "bob")):
        await switchboard.take(page, parse(f'{{"type":"sign_in","name":"{name}"}}'))
    await switchboard.take(bob, parse('{"type":"relation","name":"alice","follow":true}'))
    return alice, bob


CALL = parse('{"type":"call","name":"bob"}')
PRIVACY_ON = parse(
    '{"type":"settings","calling":true,"allow":["follow"],"enhanced_call_privacy":true}'
)


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_privacy_switched_on_while_a_call_is_being_made_holds_for_that_call(
    daemon: Daemon, who: str
) -> None:
    line = Slow("POST")
    async with AsyncClient(daemon.api, transport=line) as callveil:
        switchboard = Switchboard(callveil, 20)
        alice, bob = await two_pages(switchboard)
        calling = asyncio.create_task(switchboard.take(alice, CALL))
        await line.has_asked.wait()
        await switchboard.take(alice if who == "caller" else bob, PRIVACY_ON)
        line.may_go.set()
        await calling
        for page, kind in ((alice, "calling"), (bob, "ringing")):
            told = await page.until(kind)
            assert told["relayed"]
            assert told["rtc_configuration"]["iceTransportPolicy"] == "relay"
        await switchboard.left(alice)


async def test_a_call_whose_caller_goes_while_it_is_being_made_is_ended_at_the_relay(
    daemon: Daemon,
) -> None:
    line = Slow("POST")
    async with AsyncClient(daemon.api, transport=line) as callveil:
        switchboard = Switchboard(callveil, 20)
        alice, bob = await two_pages(switchboard)
        before = _ringing(daemon)
        calling = asyncio.create_task(switchboard.take(alice, CALL))
        await line.has_asked.wait()
        await _close(switchboard, alice, calling)
        await bob.until("ended")
        line.slow = "DELETE"
        line.has_asked.clear()
        line.may_go.set()
        await asyncio.wait_for(line.has_asked.wait(), PATIENCE_S)  # the relay has made it by now
        await asyncio.to_thread(wait_until, lambda: _ringing(daemon) == before, "it has been ended")


async def test_a_call_is_ended_at_the_relay_though_who_hung_up_is_gone_at_once(
    daemon: Daemon,
) -> None:
    line = Slow("DELETE")
    async with AsyncClient(daemon.api, transport=line) as callveil:
        switchboard = Switchboard(callveil, 20)
        alice, bob = await two_pages(switchboard)
        before = _ringing(daemon)
        await switchboard.take(alice, CALL)
        call = (await bob.until("ringing"))["call"]
        hang_up = parse(f'{{"type":"hang_up","call":"{call}"}}')
        ending = asyncio.create_task(switchboard.take(alice, hang_up))
        await line.has_asked.wait()
        assert _ringing(daemon) == before + 1
        await _close(switchboard, alice, ending)
        line.may_go.set()
        await asyncio.to_thread(wait_until, lambda: _ringing(daemon) == before, "it has been ended")


async def _close(switchboard: Switchboard, page: Page, task: "asyncio.Task[None]") -> None:
    """As the server does it when the page's WebSocket is gone."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await switchboard.left(page)


def _ringing(daemon: Daemon) -> int:
    ringing: int = daemon.ask("GET", "/v1/status").body["calls"]["ringing"]
    return ringing
