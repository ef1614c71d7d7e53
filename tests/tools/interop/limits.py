"""What a client cannot do with any relay, and how a call that was placed shows that it is so.

Rules: a limit is the client's and never the relay's. A cell with a limit is placed like any other;
if it does not end as the limit says, that is a failure, also where it works.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.tools.interop.cells import MIXED, Cell
from tests.tools.interop.placing import Placed

WORKS, NOTED, CANNOT, FAILS = "works", "works, with a note", "cannot", "fails"


class Limit(NamedTuple):
    """
    Args:
        about: what it explains of `Placed`: its `fault`, what was `told`, or the `way`.
        reason: for the page.
        holds: of which cells.
        shows: whether a call has ended so.
    """

    about: str
    reason: str
    holds: Callable[[Cell], bool]
    shows: Callable[[Placed], bool]


LIMITS = (
    Limit(
        "told",
        "libnice writes the client's own address beside a relayed candidate, and Janus also into "
        "`o=` and `c=`. With `peers: relay` and `listed` nobody rebuilds descriptions, so the "
        "other side reads it there. In packets no address shows.",
        lambda cell: cell.client in ("webrtcbin", "janus") and cell.peers != "call",
        lambda placed: True,
    ),
    Limit(
        "way",
        "libnice speaks TURN over TCP without TLS to the port of a `turns:` URL. A `tls://` "
        "listener takes that too.",
        lambda cell: cell.client in ("webrtcbin", "janus") and cell.transport == "tls",
        lambda placed: placed.elsewhere > 0,
    ),
    Limit(
        "fault",
        "aiortc does not read a URL with a numeric IPv6 address. With a name it does.",
        lambda cell: cell.client in ("aiortc", "janus") and _is_numeric(cell, "IPv6"),
        lambda placed: "malformed" in placed.fault,
    ),
    Limit(
        "fault",
        "Firefox sends nothing to a `turns:` URL with a numeric address. With a name it does.",
        lambda cell: cell.client == "firefox" and cell.is_numeric and cell.transport == "tls",
        lambda placed: placed.sent["caller"] == 0,
    ),
    Limit(
        "fault",
        "`@roamhq/wrtc` has root certificates of its own, and takes no others: it begins TLS, is "
        "shown a certificate of the tests' authority, and ends the connection.",
        lambda cell: cell.client == "wrtc" and cell.transport == "tls",
        lambda placed: placed.got["caller"] > 0 and placed.allocations == 0,
    ),
    Limit(
        "fault",
        "werift asks a TURN server over UDP from an IPv4 socket only. Over TCP and TLS it uses "
        "IPv6.",
        lambda cell: cell.client == "werift" and cell.transport == "udp" and cell.family != "IPv4",
        lambda placed: placed.sent["callee" if placed.cell.family == MIXED else "caller"] == 0,
    ),
)


def _is_numeric(cell: Cell, family: str) -> bool:
    return cell.is_numeric and cell.family == family


def limits_of(cell: Cell) -> list[Limit]:
    """What keeps a cell from working or, where nothing does, what is to be said of it."""
    limits = [limit for limit in LIMITS if limit.holds(cell)]
    return [limit for limit in limits if limit.about == "fault"] or limits


def state_of(placed: Placed) -> str:
    """What came of a cell: WORKS, NOTED, CANNOT or FAILS."""
    if faults_of(placed):
        return FAILS
    if placed.fault:
        return CANNOT
    return NOTED if limits_of(placed.cell) else WORKS


def faults_of(placed: Placed) -> str:
    """Why a cell has failed; empty if it has not."""
    found = placed.findings()
    limits = {limit.about: limit for limit in limits_of(placed.cell)}
    unexplained = [words for about, words in found.items() if about not in limits]
    if unexplained:
        return "; ".join(unexplained)
    if any(about not in found or not limit.shows(placed) for about, limit in limits.items()):
        return f"not as its limit says, but: {'; '.join(found.values()) or 'it works'}"
    return ""
