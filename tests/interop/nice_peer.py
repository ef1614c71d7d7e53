"""One party with libnice, the ICE of GStreamer and Janus: run by the system's Python, which has it.

Takes one JSON object per line, `{"do": …}`, and says what came of it: `{"sdp": …}` once everything
is gathered, `{"ready": true}` once it has a way to the other, `{"heard": …}` for each message. It
uses every candidate that it finds, its own too.
"""

import ctypes
import json
import sys
from typing import Any

import gi

gi.require_version("Nice", "0.1")
from gi.repository import GLib, Nice  # noqa: E402  the version is chosen first

_RTP = 1
_libnice = ctypes.CDLL("libnice.so.10")
_Received = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] + [ctypes.c_uint] * 3 + [ctypes.c_void_p] * 2)
_RELAYS = {"udp": Nice.RelayType.UDP, "tcp": Nice.RelayType.TCP}


class Party:
    """One agent with one stream."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._agent = Nice.Agent.new(loop.get_context(), Nice.Compatibility.RFC5245)
        self._agent.set_property("upnp", False)
        self._stream = self._agent.add_stream(_RTP)
        self._agent.set_stream_name(self._stream, "audio")
        self._agent.connect("candidate-gathering-done", self._on_gathered)
        self._agent.connect("component-state-changed", self._on_state)
        # Introspection leaves this one out, and without it an agent reads nothing.
        self._received = _Received(self._on_received)
        agent = ctypes.c_void_p(hash(self._agent))
        _libnice.nice_agent_attach_recv(agent, self._stream, _RTP, None, self._received, None)

    def do_gather(self, order: dict[str, Any]) -> None:
        """With a TURN server: transport, host, port, username, password."""
        self._agent.set_property("controlling-mode", order["controlling"])
        relay = (order["host"], order["port"], order["username"], order["password"])
        self._agent.set_relay_info(self._stream, _RTP, *relay, _RELAYS[order["transport"]])
        self._agent.gather_candidates(self._stream)

    def do_connect(self, order: dict[str, Any]) -> None:
        """With what the other party has gathered."""
        self._agent.parse_remote_sdp(order["sdp"])

    def do_say(self, order: dict[str, Any]) -> None:
        """Send a message, if there is a way by now."""
        text = order["text"]
        self._agent.send(self._stream, _RTP, len(text), text)

    def _on_gathered(self, *_: object) -> None:
        say(sdp=self._agent.generate_local_sdp())

    def _on_received(self, *event: Any) -> None:
        *_, size, data, _ = event
        if data and ctypes.string_at(data, 1) >= b"A":  # not STUN: RFC 7983 section 7
            say(heard=ctypes.string_at(data, size).decode(errors="replace"))

    def _on_state(self, _: object, stream: int, component: int, state: int) -> None:
        if state == Nice.ComponentState.READY:
            say(ready=True)


def say(**what: object) -> None:
    """One line on stdout."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Until stdin ends."""
    loop = GLib.MainLoop()
    party = Party(loop)

    def on_line(channel: Any, condition: Any) -> bool:
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        order = json.loads(line)
        getattr(party, f"do_{order['do']}")(order)
        return True

    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, on_line)
    loop.run()


main()
