"""Places one call in the laboratory and gathers what each party could see."""

import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from relay.tools.audit import Report, Source, audit
from relay.tools.audit.packets import Packet
from tests.kit.daemon import Config
from tests.kit.polling import wait_until
from tests.lab import topology
from tests.lab.capture import Capture, capturing
from tests.lab.party import Party, parties
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import RELAY, Lab
from tests.tools.evidence.scenarios import CALLEE, CALLER, PARTIES, Scenario
from tests.tools.evidence.signaling import Signaling

AUDIO_FRAMES, VIDEO_FRAMES = 50, 10
"""A second of sound, and pictures after the first key frame: the call works."""

SECRETS = {CALLER: topology.CALLER.ips, CALLEE: topology.CALLEE.ips}
_POINTS = ("caller", "caller-nat", "callee", "callee-nat")

_HOME_ROUTER = """
table inet home {
    chain outside {
        type filter hook prerouting priority filter;
        iifname "uplink" ct state new meta l4proto { udp, tcp } drop
    }
}
"""
"""What nobody inside asked for is dropped, as routers at home do; then holes can be punched."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One call that has been placed.

    Args:
        direct: packets with media or checks that crossed between the parties' routers directly.
        relayed: those that came to the parties from the relay.
        frames: decoded at the caller and at the callee.
        directory: has a directory of each party, for `callveil audit`.
    """

    scenario: Scenario
    report: Report
    direct: int
    relayed: int
    frames: int
    directory: Path

    @property
    def exposed(self) -> tuple[str, ...]:
        """The parties whose addresses the other side could see."""
        return tuple(of for of in PARTIES if self.report.seen(of, other(of)))

    @property
    def is_as_expected(self) -> bool:
        """Those are exactly the ones that had to be, and the call worked if it was answered."""
        return self.exposed == self.scenario.exposed and self.fault == ""

    @property
    def fault(self) -> str:
        """What is wrong with the call itself, in words; empty if nothing is."""
        if self.report.unsearched:
            return "not everything could be searched"
        if self.scenario.is_answered and not self.frames:
            return "answered, and no picture arrived"
        if not self.scenario.is_answered and self.frames:
            return "not answered, and yet something arrived"
        if self.scenario.asked and not self.scenario.is_control and self.direct:
            return "relayed, and yet packets crossed directly"
        return ""


def other(party: str) -> str:
    """The other side."""
    return CALLEE if party == CALLER else CALLER


def prepare(lab: Lab) -> None:
    """Once per laboratory: routers as they stand in homes."""
    for router in (lab.caller_nat, lab.callee_nat):
        router.run(["nft", "-f", "-"], _HOME_ROUTER)


def place(
    lab: Lab, scenario: Scenario, directory: Path, path: str = "user"
) -> tuple[Placed, Relay]:
    """Place a call and hang up.

    Args:
        path: of the relay, `user` or `kernel`.
    Returns: what came of it, and the relay, which has ended.
    """
    shutil.rmtree(directory, ignore_errors=True)
    for party in PARTIES:
        (directory / party).mkdir(parents=True)
    relay = Relay(lab, directory, _config(scenario), path)
    asked = [{"id": name, "enhanced_call_privacy": name in scenario.asked} for name in PARTIES]
    call = relay.create_call(ring=True, parties=asked)
    with capturing(lab, directory, _POINTS) as captures, parties(lab) as (caller, callee):
        signaling = Signaling(relay, call, scenario, directory)
        for name, client in ((CALLER, caller), (CALLEE, callee)):
            client.ask("open", configuration=signaling.configuration(name))
        frames = _call(relay, call, signaling, caller, callee, scenario)
        relay.end_call(call)
        packets = {name: capture.stop() for name, capture in captures.items()}
    relay.metrics()
    relay.stop(signal.SIGKILL)
    files = {name: _files(name, captures, directory) for name in PARTIES}
    placed = Placed(
        scenario=scenario,
        report=audit(files, SECRETS),
        direct=sum(_is_direct(packet) for packet in packets["caller-nat"]),
        relayed=sum(map(_is_relayed, _both(packets["caller"], packets["callee"]))),
        frames=frames,
        directory=directory,
    )
    return placed, relay


def _config(scenario: Scenario) -> Config:
    """The control's relay tells a client its own address, as other TURN servers do.

    aiortc cannot read a TURN URI with an IPv6 address, so there is one listener.
    """
    privacy = {
        "mask_mapped_address": not scenario.is_control,
        "stun_binding": scenario.gathers_all or scenario.is_half,
        "masking": "opted_in" if scenario.is_half else "both",
    }
    return {
        "listen": [f"udp://{RELAY.v4}:{UDP_PORT}"],
        "relay": {"addresses": [RELAY.v4]},
        "privacy": privacy,
    }


def _call(
    relay: Relay,
    call: Config,
    signaling: Signaling,
    caller: Party,
    callee: Party,
    scenario: Scenario,
) -> int:
    """Let it ring, pick up if somebody does; returns the frames decoded at both ends."""
    signaling.ring(caller, callee)
    if scenario.is_answered:
        signaling.accept(callee)
        signaling.answer(callee, caller)
        wait_until(lambda: _works(caller) and _works(callee), "sound and pictures arrive")
    elif scenario.asked and not scenario.is_control and not scenario.is_rebuilt:
        # A telephone that gets ready while it rings, and a server that passes that on.
        signaling.answer(callee, caller)
        wait_until(lambda: _have_tried(relay, call), "both sides have tried to reach each other")
    return sum(sum(party.ask("state")["frames"].values()) for party in (caller, callee))


def _have_tried(relay: Relay, call: Config) -> bool:
    """Both sides have sent what the relay dropped, since the call rings."""
    return all(party["dropped"] >= 2 for party in relay.statistics(call).values())


def _works(party: Party) -> bool:
    return party.has_seen(audio=AUDIO_FRAMES, video=VIDEO_FRAMES)


def _files(party: str, captures: dict[str, Capture], directory: Path) -> list[Source]:
    """A party's captures, inside and outside of its router, and its descriptions."""
    for point, name in ((party, "inside.pcap"), (f"{party}-nat", "outside.pcap")):
        captures[point].path.rename(directory / party / name)
    found = sorted((directory / party).iterdir())
    return [Source(path, ".sent." in path.name) for path in found]


def _both(*packets: Iterable[Packet]) -> Iterable[Packet]:
    return (packet for each in packets for packet in each)


def _is_direct(packet: Packet) -> bool:
    ends = {packet.source, packet.destination}
    return bool(packet.payload) and any(
        ends == {mine, theirs}
        for mine, theirs in zip(topology.CALLER.public, topology.CALLEE.public, strict=True)
    )


def _is_relayed(packet: Packet) -> bool:
    """Data of the other side in the relay's wrapping: a channel, or a Data indication."""
    if packet.source not in RELAY or not packet.payload:
        return False
    return 0x40 <= packet.payload[0] <= 0x7F or packet.payload[:2] == b"\x00\x17"
