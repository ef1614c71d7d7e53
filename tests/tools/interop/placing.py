"""Places the call of one cell, with a capture at each end, and searches what each side saw."""

import json
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relay.tools.audit import Report, Source, audit
from relay.tools.audit.packets import Packet
from relay.tools.audit.spellings import IP
from tests.lab import topology
from tests.lab.capture import Capture, capturing
from tests.lab.topology import RELAY
from tests.tools.interop import fragments
from tests.tools.interop.calls import Scene
from tests.tools.interop.cells import Cell
from tests.tools.interop.stage import Stage

SECRETS = {"caller": topology.CALLER.ips, "callee": topology.CALLEE.ips}
_Points = dict[str, tuple[str, ...]]
_PARTIES: _Points = {"caller": ("caller", "caller-nat"), "callee": ("callee", "callee-nat")}
_WITH_SERVER: _Points = {"caller": ("caller", "caller-nat"), "callee": ("sink",)}


@dataclass(slots=True)
class Placed:
    """One call that has been placed.

    Args:
        crossed: what came to the caller, by kind.
        fault: why it did not work, or what leaked; empty if nothing is wrong.
        told: the parties whose own client wrote an address of theirs into its description.
        sent: datagrams and segments with content from a party to the relay.
        got: those from the relay to a party.
        allocations: over the cell's transport.
        elsewhere: allocations over another.
        tries: how often it was placed.
        is_leak: its fault is an address where none may be, or that this could not be searched.
    """

    cell: Cell
    crossed: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    told: tuple[str, ...] = ()
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SECRETS, 0))
    got: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SECRETS, 0))
    allocations: int = 0
    elsewhere: int = 0
    seconds: float = 0.0
    tries: int = 1
    is_leak: bool = False

    def findings(self) -> dict[str, str]:
        """What is not as one would have it, in words; a call that failed tells nothing else."""
        if self.fault:
            return {"fault": self.fault}
        found = {}
        if self.told:
            found["told"] = f"the client itself wrote an address of the {_and(self.told)}"
        if self.elsewhere or not self.allocations:
            found["way"] = f"not every allocation was over {self.cell.transport}"
        return found


def place(stage: Stage, cell: Cell) -> Placed:
    """Place the call, and search what each side saw for the other's addresses."""
    begun = time.monotonic()
    placed = Placed(cell)
    directory = stage.directory / "cell"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        _place(stage, placed, directory)
    except (RuntimeError, OSError, AssertionError) as error:
        placed.fault = " ".join(str(error).split()) or type(error).__name__
    placed.seconds = time.monotonic() - begun
    return placed


def _place(stage: Stage, placed: Placed, directory: Path) -> None:
    scene = Scene(stage, placed.cell, stage.relay_of(placed.cell), directory)
    points = [point for each in _points(placed.cell).values() for point in each]
    packets: dict[str, list[Packet]] = {}
    with capturing(stage.lab, directory, points) as captures:
        try:
            scene.run()
        finally:
            packets |= {point: capture.stop() for point, capture in captures.items()}
            placed.crossed = scene.crossed
            placed.allocations, placed.elsewhere = scene.allocations, scene.elsewhere
            _count(placed, packets)
    _search(placed, _report(scene, captures, directory))
    for party, secrets in _others():
        if fragments.hits([*_of_party(placed.cell, party, packets)], secrets):
            placed.fault = f"the {party} got an address in fragments"
    if not placed.fault and stage.canaries():
        placed.fault = "the relay wrote an address"
    placed.is_leak = bool(placed.fault)


def _points(cell: Cell) -> _Points:
    return _WITH_SERVER if cell.peers == "listed" else _PARTIES


def _others() -> list[tuple[str, Sequence[IP]]]:
    """Each party, and what is not for it to see."""
    return [("caller", SECRETS["callee"]), ("callee", SECRETS["caller"])]


def _of_party(cell: Cell, party: str, packets: dict[str, list[Packet]]) -> Iterable[Packet]:
    return (packet for point in _points(cell)[party] for packet in packets[point])


def _count(placed: Placed, packets: dict[str, list[Packet]]) -> None:
    for party, (point, *_) in _points(placed.cell).items():
        whole = [packet for packet in packets[point] if packet.payload]
        placed.sent[party] = sum(packet.destination in RELAY for packet in whole)
        placed.got[party] = sum(packet.source in RELAY for packet in whole)


def _report(scene: Scene, captures: dict[str, Capture], directory: Path) -> Report:
    files = {
        party: [Source(captures[point].path) for point in points]
        for party, points in _points(scene.cell).items()
    }
    for number, (author, text) in enumerate(scene.told):
        path = directory / f"{number}.json"
        path.write_text(json.dumps({"from": author, "given": text}))
        files["callee" if author == "caller" else "caller"].append(Source(path))
    return audit(files, SECRETS)


def _search(placed: Placed, report: Report) -> None:
    """A media server's own address is listed, and so no secret: it is not among those."""
    in_packets = {leak.secret.party for leak in report.leaks if leak.first.unit == "packet"}
    told = {leak.secret.party for leak in report.leaks} - in_packets
    placed.told = tuple(sorted(told))
    gaps = [gap for gap in report.unsearched if gap.kind != "fragments"]  # see `fragments`
    if in_packets:
        placed.fault = f"an address of the {_and(in_packets)} was in packets"
    elif gaps:
        placed.fault = f"not everything could be searched: {gaps[0].text}"


def _and(parties: Iterable[str]) -> str:
    return " and of the ".join(sorted(parties))
