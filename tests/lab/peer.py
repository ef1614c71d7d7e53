"""A party of a call: `python -m tests.lab.peer` in its namespace, told what to do over stdin.

One JSON object per line each way: `{"do": …}` in, what came of it out. It ends with its stdin.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aioice import turn
from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp

from tests.lab.media import Picture, Tone, count_frames

Json = dict[str, Any]


class WebRtc:
    """An aiortc peer that sends a tone and a picture."""

    def __init__(self) -> None:
        self._frames: dict[str, int] = {}
        self._connection: RTCPeerConnection | None = None
        self._counting: set[asyncio.Task[None]] = set()

    @property
    def connection(self) -> RTCPeerConnection:
        """Open by now."""
        assert self._connection is not None
        return self._connection

    async def open(self, configuration: Json) -> Json:
        """Take a `rtc_configuration` as the daemon gives it."""
        servers = [RTCIceServer(**server) for server in configuration["iceServers"]]
        policy = RTCIceTransportPolicy(configuration["iceTransportPolicy"])
        self._connection = RTCPeerConnection(RTCConfiguration(servers, policy))
        self._connection.on("track", self._on_track)
        self._connection.on("datachannel", self._on_channel)
        self._connection.addTrack(Tone())
        self._connection.addTrack(Picture())
        return {}

    def _on_track(self, track: Any) -> None:
        task = asyncio.create_task(count_frames(track, self._frames))
        self._counting.add(task)

    def _on_channel(self, channel: Any) -> None:
        """Say back what is said."""

        def on_message(message: str) -> None:
            self._frames["messages"] = self._frames.get("messages", 0) + 1
            channel.send(message)

        channel.on("message", on_message)

    async def offer(self) -> Json:
        """Gather candidates; returns the description."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return {"sdp": self.connection.localDescription.sdp}

    async def ring(self, sdp: str) -> Json:
        """Take an offer and do no more: nobody has picked up."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        return {}

    async def add_candidates(self, candidates: list[Json]) -> Json:
        """Take candidates of the other side, as browsers write them."""
        for each in candidates:
            candidate = candidate_from_sdp(each["candidate"].removeprefix("candidate:"))
            candidate.sdpMid, candidate.sdpMLineIndex = each["sdpMid"], each["sdpMLineIndex"]
            await self.connection.addIceCandidate(candidate)
        return {}

    async def answer(self, sdp: str = "") -> Json:
        """Gather candidates; returns the description. ICE starts now.

        Args:
            sdp: the offer, unless it rings already.
        """
        if sdp:
            await self.ring(sdp)
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return {"sdp": self.connection.localDescription.sdp}

    async def take_answer(self, sdp: str) -> Json:
        """Take the answer. ICE starts now."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        return {}

    async def state(self) -> Json:
        """How far the call is, and how many frames of each kind were decoded."""
        return {"connection": self.connection.connectionState, "frames": self._frames}

    async def close(self) -> Json:
        """Hang up."""
        await self.connection.close()
        return {}


class Datagrams(asyncio.DatagramProtocol):
    """What arrived over an allocation."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.append(data)


class Turn:
    """aioice's TURN client with one allocation."""

    def __init__(self) -> None:
        self._datagrams = Datagrams()
        self._transport: turn.TurnTransport | None = None

    @property
    def transport(self) -> turn.TurnTransport:
        """Allocated by now."""
        assert self._transport is not None
        return self._transport

    async def allocate(
        self, server: list[Any], transport: str, username: str, password: str, ca: str = ""
    ) -> Json:
        """Allocate over udp, tcp, or tls with this certificate; returns the relayed address."""
        self._transport, self._datagrams = await turn.create_turn_endpoint(
            Datagrams,
            server_addr=(server[0], server[1]),
            username=username,
            password=password,
            ssl=ssl.create_default_context(cafile=ca) if transport == "tls" else None,
            transport="udp" if transport == "udp" else "tcp",
        )
        return {"relayed": self.transport.get_extra_info("sockname")}

    async def send(self, to: list[Any], texts: list[str]) -> Json:
        """Send these datagrams to a peer; the first binds a channel."""
        for text in texts:
            self.transport.sendto(text.encode(), (to[0], to[1]))
            await asyncio.sleep(0)
        return {}

    async def received(self) -> Json:
        """Everything that arrived, in order."""
        return {"texts": [data.decode() for data in self._datagrams.received]}

    async def release(self) -> Json:
        """Delete the allocation."""
        self.transport.close()
        return {}


async def _serve() -> None:
    """Do what each line says, one after the other, until stdin ends."""
    parts = (WebRtc(), Turn())
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        name = order.pop("do")
        (part,) = [part for part in parts if hasattr(part, name)]
        sys.stdout.write(json.dumps(await _outcome(getattr(part, name), order)) + "\n")
        sys.stdout.flush()


async def _outcome(do: Callable[..., Awaitable[Json]], arguments: Json) -> Json:
    """What came of it; an exception as its words, since the other end cannot see it."""
    try:
        return await do(**arguments)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    asyncio.run(_serve())
