"""HTTP servers: half a request ends, and of too many connections the oldest idle one does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from relay.daemon.http_connection import KEPT_S, PATIENCE_S
from relay.daemon.serving import HttpServer, bind
from tests.kit.loops import on_movable_loop, on_uvloop, pass_time

CONNECTIONS = 8
OF_ONE_SOURCE = 6
HERE, THERE = "127.0.0.1", "127.0.1.1"
LONG = 1 << 24
"""Bytes of an answer that no buffers on the way take in whole."""


class App:
    """Answers with the body that it was sent, or one that is long, when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._read = asyncio.Semaphore(0)

    async def __call__(self, _: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        self._read.release()
        await self.may_answer.wait()
        body = bytes(LONG) if body == b"long" else body
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def until_read(self) -> None:
        """Wait until one more request has come whole."""
        await self._read.acquire()


class Visitor:
    """A client that says what the test has it say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> bytes:
        """One whole answer's body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def asks(self, body: bytes = b"hello") -> None:
        """One request, and its answer."""
        self.writer.write(request(body))
        assert await self.answer() == body

    async def is_cut(self) -> bool:
        """Whether the server ends it, now or at some time."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            return True
        return True


def request(body: bytes, length: int | None = None) -> bytes:
    """One that keeps the connection; `length` for one that is not all there."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    return head % (length or len(body)) + body


class Place:
    """A server, and whoever visits it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.visitors: list[Visitor] = []

    async def visit(self, source: str = HERE) -> Visitor:
        """Connect from there."""
        visitor = Visitor(*await asyncio.open_connection(*self._address, local_addr=(source, 0)))
        self.visitors.append(visitor)
        return visitor


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[Place]:
    """Serve an application."""
    sock = bind(HERE, 0, "test")
    server = HttpServer(app, CONNECTIONS)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    await server.listening.wait()
    place = Place(sock.getsockname())
    try:
        yield place
    finally:
        for visitor in place.visitors:
            visitor.writer.transport.abort()
        server.should_exit = True
        await task


@pytest.mark.parametrize(
    "half",
    [b"", b"G", b"POST / HTTP/1.1\r\nHost: a\r\nX-Long: ", request(b"he", 5)],
    ids=["nothing", "a byte", "half a head", "half a body"],
)
@on_movable_loop
async def test_half_a_request_is_ended_and_a_whole_one_is_answered(half: bytes) -> None:
    async with serving(App()) as place:
        waiting = await place.visit()
        waiting.writer.write(half)
        await (await place.visit()).asks()  # the other one has been read by now
        pass_time(PATIENCE_S)
        assert await waiting.is_cut()
        await (await place.visit()).asks()


@on_movable_loop
async def test_half_a_request_after_a_whole_one_is_ended() -> None:
    async with serving(App()) as place:
        waiting = await place.visit()
        await waiting.asks()
        waiting.writer.write(request(b"he", 5))
        await (await place.visit()).asks()
        pass_time(PATIENCE_S)
        assert await waiting.is_cut()


@on_movable_loop
async def test_a_kept_connection_outlives_a_minute_and_its_requests_have_ten_seconds() -> None:
    async with serving(App()) as place:
        polling, begun = await place.visit(), await place.visit()
        for _ in range(3):
            await polling.asks()
            await begun.asks()
            pass_time(60)
            await (await place.visit()).asks()
        await polling.asks()
        begun.writer.write(request(b"he", 5))
        await (await place.visit()).asks()
        pass_time(PATIENCE_S)
        assert await begun.is_cut()
        await polling.asks()
        pass_time(KEPT_S)
        assert await polling.is_cut()


@on_movable_loop
async def test_half_a_request_that_came_with_a_whole_one_is_ended() -> None:
    async with serving(App()) as place:
        waiting = await place.visit()
        waiting.writer.write(request(b"hello") + request(b"he", 5))
        assert await waiting.answer() == b"hello"
        await (await place.visit()).asks()
        pass_time(PATIENCE_S)
        assert await waiting.is_cut()


@on_movable_loop
async def test_an_answer_may_take_long_and_reading_it_may_not() -> None:
    app = App()
    async with serving(app) as place:
        patient, idle = await place.visit(), await place.visit()
        app.may_answer.clear()
        patient.writer.write(request(b"hello"))
        await app.until_read()
        pass_time(PATIENCE_S)
        idle.writer.write(request(b"long"))
        await app.until_read()
        app.may_answer.set()
        assert await patient.answer() == b"hello"
        pass_time(PATIENCE_S)
        await (await place.visit()).asks()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await idle.answer()


@on_uvloop
async def test_the_oldest_idle_one_of_a_source_goes_for_one_of_the_same() -> None:
    async with serving(App()) as place:
        other = await place.visit(THERE)
        idle = [await place.visit() for _ in range(OF_ONE_SOURCE)]
        newcomer = await place.visit()
        await newcomer.asks()
        assert await idle[0].is_cut()
        for visitor in (other, *idle[1:]):
            await visitor.asks()


@on_uvloop
async def test_the_oldest_idle_one_of_all_goes_for_one_of_another_source() -> None:
    async with serving(App()) as place:
        idle = [await place.visit(f"127.0.{number}.1") for number in range(1, CONNECTIONS + 1)]
        newcomer = await place.visit()
        await newcomer.asks()
        assert await idle[0].is_cut()
        for visitor in idle[1:]:
            await visitor.asks()


@on_uvloop
async def test_who_is_being_answered_goes_for_nobody_and_counts() -> None:
    app = App()
    async with serving(app) as place:
        app.may_answer.clear()
        asking = []
        for _ in range(CONNECTIONS):
            asking.append(await place.visit())
            asking[-1].writer.write(request(b"hello"))
            await app.until_read()
        assert await (await place.visit(THERE)).is_cut()
        app.may_answer.set()
        for visitor in asking:
            assert await visitor.answer() == b"hello"
        await (await place.visit(THERE)).asks()


@on_uvloop
async def test_who_is_gone_is_not_counted() -> None:
    async with serving(App()) as place:
        first = await place.visit()
        for _ in range(3 * CONNECTIONS):
            visitor = await place.visit(THERE)
            await visitor.asks()
            visitor.writer.transport.abort()
        await first.asks()
