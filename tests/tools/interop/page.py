"""`docs/interop.md`: the matrix as a run has found it."""

import re
from collections.abc import Iterable, Sequence

from tests.tools.interop import limits
from tests.tools.interop.cells import PEERS, TRANSPORTS, Cell, clients, families
from tests.tools.interop.placing import Placed

TITLES = {
    "chromium": "Chromium",
    "firefox": "Firefox ESR",
    "aiortc": "aiortc",
    "webrtcbin": "GStreamer `webrtcbin`, libnice",
    "wrtc": "`@roamhq/wrtc`",
    "werift": "werift",
    "janus": "Janus",
    "uclient": "coturn's `turnutils_uclient`",
}
_HEAD = """# Interop

Written by `make interop`, which places every one of these calls: {date}, callveil {version}, commit
{commit}. {count}.

Each cell is a call between two parties of one client in network namespaces, each behind its own
NAT, through a relay that listens over that transport and family and nothing else. Media or messages
cross both ways. What was captured at either end, the descriptions that each side was given, and
everything that the relay wrote and answered are searched for the other side's addresses, in every
spelling that `callveil audit` knows. With Janus it is aiortc that calls, and hears its echo.
"""
_WAYS = {
    "call": """With `peers: call`, each party has what `POST /v1/calls` gave to it, with the relay's
name in its URLs, and descriptions are rebuilt. *Mixed*: the caller reaches the relay over IPv4 and
the callee over IPv6.""",
    "relay": """With `peers: relay`, each party has a credential made with the shared secret, and
the relay's address in its URLs. Descriptions pass as the clients wrote them.""",
    "listed": """With `peers: listed`, one party has such a credential, with the relay's name in its
URLs. The other is a media server at a listed address, without one: Janus with its echo test, and an
echo of UDP for coturn's client. The server sees the relay's address and not the client's.""",
}
_SIGNS = {limits.WORKS: "yes", limits.NOTED: "yes", limits.CANNOT: "no", limits.FAILS: "**fails**"}


def render(results: Sequence[Placed], versions: dict[str, str], made: dict[str, str]) -> str:
    """The page.

    Args:
        versions: of the clients.
        made: date, version and commit.
    """
    states = [limits.state_of(placed) for placed in results]
    counts = (f"{states.count(state)} {words}" for state, words in _COUNTED.items())
    count = ", ".join(counts)
    parts = [_HEAD.format(**made, count=f"{len(results)} calls: {count}")]
    parts += [_table(results, peers) for peers in PEERS]
    parts += [_notes(results), _versions(versions)]
    return "\n".join(parts)


_NO = """
*No* is what the client does with any relay. Each time the run has seen it happen as it stands
there, or the cell would be *fails*. A call that does not work is tried once more.
"""
_COUNTED = {
    limits.WORKS: "work",
    limits.NOTED: "work and have a note",
    limits.CANNOT: "are more than the client can do",
    limits.FAILS: "fail",
}


def _table(results: Iterable[Placed], peers: str) -> str:
    by_cell = {placed.cell: placed for placed in results}
    ways = [(t, family) for family in families(peers) for t in TRANSPORTS]
    head = " | ".join(f"{transport.upper()} {family}" for transport, family in ways)
    lines = [f"## `peers: {peers}`", "", _WAYS[peers], "", f"| client | {head} |"]
    lines.append("|---" * (len(ways) + 1) + "|")
    for client in clients(peers):
        cells = [_sign(by_cell.get(Cell(client, *way, peers))) for way in ways]
        lines.append(f"| {TITLES[client]} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _sign(placed: Placed | None) -> str:
    if placed is None:
        return "not tried"
    state = limits.state_of(placed)
    numbers = [limits.LIMITS.index(limit) + 1 for limit in limits.limits_of(placed.cell)]
    notes = "".join(f" ({number})" for number in numbers)
    return _SIGNS[state] + (notes if state != limits.FAILS else "")


def _notes(results: Iterable[Placed]) -> str:
    lines = ["## Notes", ""]
    lines += [f"{number}. {limit.reason}" for number, limit in enumerate(limits.LIMITS, start=1)]
    lines += ["", _NO]
    for placed in results:
        if faults := limits.faults_of(placed):
            lines.append(f"- Fails: {placed.cell.words}: {_plain(faults)}")
        elif placed.tries > 1:
            lines.append(f"- At the second try: {placed.cell.words}.")
    return "\n".join([*lines, ""])


def _plain(words: str) -> str:
    """In one line, and not for ever."""
    return re.sub(r"\s+", " ", words)[:200]


def _versions(versions: dict[str, str]) -> str:
    lines = ["## Versions", "", "| client | version |", "|---|---|"]
    lines += [f"| {TITLES[client]} | {version} |" for client, version in versions.items()]
    return "\n".join([*lines, ""])
