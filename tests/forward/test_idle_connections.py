"""Who connects and has no allocation is cut after a while; the test moves the loop's clock."""

import pytest

from relay.address import Transport
from relay.forward.user.connection import IDLE_S
from tests.forward.clients import STUN
from tests.forward.loopback import Stage
from tests.kit.loops import on_movable_loop, pass_time

both = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])


@both
@on_movable_loop
async def test_a_stranger_is_cut_and_its_requests_do_not_help(
    stage: Stage, transport: Transport
) -> None:
    listener = stage.stream(transport)
    silent, talker = await stage.connect(listener), await stage.connect(listener)
    silent.say(STUN)
    talker.say(STUN)
    await stage.core.until(lambda: len(stage.core.received) == 2)
    pass_time(IDLE_S - 1)
    talker.say(STUN)
    await stage.core.until(lambda: len(stage.core.received) == 3)
    assert stage.core.disconnected == []
    pass_time(1)
    assert await silent.is_cut()
    assert await talker.is_cut()
    await stage.core.until(lambda: len(stage.core.disconnected) == 2)
    assert (listener.strangers, listener.connections) == (0, {})


@both
@on_movable_loop
async def test_an_allocation_keeps_a_connection_and_its_end_does_not(
    stage: Stage, transport: Transport
) -> None:
    listener = stage.stream(transport)
    client = await stage.allocated(listener)
    for count in range(2, 5):
        pass_time(IDLE_S)
        client.say(STUN)
        await stage.core.until(lambda count=count: len(stage.core.received) == count)  # type: ignore[misc]
    assert stage.core.disconnected == []
    stage.core.known.clear()
    pass_time(IDLE_S)
    assert await client.is_cut()
