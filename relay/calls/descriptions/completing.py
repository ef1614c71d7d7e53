"""A rebuilt description and the candidates that were set apart from it, put together again.

For clients without trickle: what such a client is not told in the description it never hears.
"""

import re
from collections.abc import Iterable

from relay.calls.descriptions.section import HeldCandidate

_SECTION = re.compile(r"^(?=m=)", re.MULTILINE)
_MID = re.compile(r"^a=mid:(\S+)\r$", re.MULTILINE)


def complete(sdp: str, candidates: Iterable[HeldCandidate]) -> str:
    """Put each candidate into its section, at the end; the same once.

    Args:
        sdp: as it was rebuilt, without candidates.
        candidates: rebuilt; those of a section that there is none of are left out.
    """
    head, *sections = _SECTION.split(sdp)
    mids = [found[1] if (found := _MID.search(section)) else "" for section in sections]
    added: list[dict[str, None]] = [{} for _ in sections]
    for each in candidates:
        at = mids.index(each.sdp_mid) if each.sdp_mid in mids else each.sdp_m_line_index
        if each.candidate and at is not None and at < len(sections):
            added[at][f"a={each.candidate}\r\n"] = None
    return head + "".join(
        section + "".join(lines) for section, lines in zip(sections, added, strict=True)
    )
