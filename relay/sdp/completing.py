"""A rebuilt description and the candidates that were set apart from it, put together again.

For clients without trickle: what such a client is not told in the description it never hears.
"""

import re
from collections.abc import Iterable

from relay.sdp.rebuilding import Rebuilt
from relay.sdp.section import NOWHERE, Destination, HeldCandidate

_SECTION = re.compile(r"^(?=m=)", re.MULTILINE)
_MID = re.compile(r"^a=mid:(\S+)\r$", re.MULTILINE)


def complete(rebuilt: Rebuilt, candidates: Iterable[HeldCandidate]) -> str:
    """Put each candidate into its section, at the end, the same once; and say where media goes.

    Args:
        rebuilt: while the call rang, and so without candidates.
        candidates: rebuilt; those of a section that there is none of are left out.
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
    """The section with this default destination in place of the constants."""
    media, _, rest = section.partition("\r\n")
    kind, port, formats = media.split(" ", 2)
    if port == NOWHERE.port:
        media = f"{kind} {destination.port} {formats}"
    rest = rest.replace(f"c={NOWHERE.connection}\r\n", f"c={destination.connection}\r\n", 1)
    rest = rest.replace(f"a=rtcp:{NOWHERE.rtcp}\r\n", f"a=rtcp:{destination.rtcp}\r\n", 1)
    return f"{media}\r\n{rest}"
