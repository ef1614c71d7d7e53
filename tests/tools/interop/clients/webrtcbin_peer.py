"""A party with GStreamer's `webrtcbin`: run by the system's Python, told what to do over stdin.

One JSON object per line each way, as with `tests.lab.peer`. It sends a tone, and counts what it
decodes of the other's.
"""

import json
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402  the versions are chosen first

_CAPS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97"
_SENDING = f"audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=97 ! {_CAPS} ! end."
_RECEIVING = "rtpopusdepay ! opusdec ! fakesink name=counted signal-handoffs=true sync=false"

Json = dict[str, Any]


class Party:
    """One pipeline."""

    def __init__(self) -> None:
        self._frames = 0
        self._pipeline = Gst.parse_launch(f"webrtcbin name=end bundle-policy=max-bundle {_SENDING}")
        self._end = self._pipeline.get_by_name("end")
        self._end.connect("pad-added", self._on_pad)
        self._context = GLib.MainContext.default()

    def open(self, configuration: Json) -> Json:
        """Take a `rtc_configuration` as the relay gives it: here a URL has the credential in it."""
        for server in configuration["iceServers"]:
            for url in server["urls"]:
                scheme, _, place = url.partition(":")
                login = ":".join(
                    GLib.Uri.escape_string(server[key], None, False)
                    for key in ("username", "credential")
                )
                assert self._end.emit("add-turn-server", f"{scheme}://{login}@{place}"), url
        policy = configuration["iceTransportPolicy"]
        self._end.set_property("ice-transport-policy", policy)
        return {}

    def offer(self) -> Json:
        """Gather; returns the description."""
        self._pipeline.set_state(Gst.State.PLAYING)
        self._until(lambda: self._end.get_static_pad("sink_0") is not None)
        return self._described("create-offer", "offer")

    def answer(self, sdp: str) -> Json:
        """The same for an offer."""
        self._pipeline.set_state(Gst.State.PLAYING)
        self._take("offer", sdp)
        return self._described("create-answer", "answer")

    def take_answer(self, sdp: str) -> Json:
        """Take the answer. ICE starts now."""
        self._take("answer", sdp)
        return {}

    def state(self) -> Json:
        """How far the call is."""
        self._turn()
        state = self._end.get_property("connection-state").value_nick
        return {"connection": state, "frames": {"audio": self._frames}}

    def _described(self, create: str, kind: str) -> Json:
        reply = self._emit(create, None)
        description = reply.get_value(kind)
        self._emit("set-local-description", description)
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        self._until(lambda: self._end.get_property("ice-gathering-state") == complete)
        return {"sdp": self._end.get_property("local-description").sdp.as_text()}

    def _take(self, kind: str, sdp: str) -> None:
        _, message = GstSdp.SDPMessage.new_from_text(sdp)
        kind = getattr(GstWebRTC.WebRTCSDPType, kind.upper())
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        self._emit("set-remote-description", description)

    def _emit(self, signal: str, value: Any) -> Any:
        """Ask for something, and wait for the promise. Returns: the reply."""
        promise = Gst.Promise.new()
        self._end.emit(signal, value, promise)
        assert promise.wait() == Gst.PromiseResult.REPLIED
        return promise.get_reply()

    def _on_pad(self, _: object, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        sink = Gst.parse_bin_from_description(_RECEIVING, True)
        sink.get_by_name("counted").connect("handoff", self._on_frame)
        self._pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def _on_frame(self, *_: object) -> None:
        self._frames += 1

    def _until(self, fact: Any) -> None:
        while not fact():
            self._turn()
            GLib.usleep(10_000)

    def _turn(self) -> None:
        while self._context.iteration(False):
            pass


def main() -> None:
    """Until stdin ends."""
    Gst.init(None)
    party = Party()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            outcome = getattr(party, order.pop("do"))(**order)
        except Exception as error:
            outcome = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


main()
