"""Puts the held candidates of a description back into it.

This is for clients without trickle: they learn only the candidates that a description holds.
"""

import re
from collections.abc import Iterable

from relay.sdp.rebuilding import Rebuilt
from relay.sdp.section import NOWHERE, Destination, HeldCandidate

_SECTION = re.compile(r"^(?=m=)", re.MULTILINE)
_MID = re.compile(r"^a=mid:(\S+)\r$", re.MULTILINE)


def complete(rebuilt: Rebuilt, candidates: Iterable[HeldCandidate]) -> str:
    """Append each candidate to its section, equal ones once, and set the default destination.

    Args:
        rebuilt: a description that was rebuilt while the call rang, and so has no candidates.
        candidates: rebuilt ones. Those whose section does not exist are left out.
    """
    head, *sections = _SECTION.split(rebuilt.sdp)
    mids = [found[1] if (found := _MID.search(section)) else "" for section in sections]
    added: list[dict[str, None]] = [{} for _ in sections]
    for each in candidates:
        at = mids.index(each.sdp_mid) if each.sdp_mid in mids else each.sdp_m_line_index
        if each.candidate and at is not None and at < len(sections):
            added[at][each.candidate] = None
    placed = zip(sections, rebuilt.destinations, added, strict=True)
    return head + "".join(
        _directed(section, destination or Destination.first_of(lines) or NOWHERE)
        + "".join(f"a={line}\r\n" for line in lines)
        for section, destination, lines in placed
    )


def _directed(section: str, destination: Destination) -> str:
    """Replace the constants of a section by this default destination."""
    media, _, rest = section.partition("\r\n")
    kind, port, formats = media.split(" ", 2)
    if port == NOWHERE.port:
        media = f"{kind} {destination.port} {formats}"
    rest = rest.replace(f"c={NOWHERE.connection}\r\n", f"c={destination.connection}\r\n", 1)
    rest = rest.replace(f"a=rtcp:{NOWHERE.rtcp}\r\n", f"a=rtcp:{destination.rtcp}\r\n", 1)
    return f"{media}\r\n{rest}"
