"""What an audit found, in the words of the page and the table."""

from collections.abc import Iterable

from relay.tools.audit import Exposure
from tests.tools.evidence.placing import Placed

NOTHING = "nothing"
_KINDS = ("public IPv4", "public IPv6", "private IPv4", "private IPv6")


def seen(placed: Placed, of: str, by: str) -> list[str]:
    """One phrase for each address of a party that the other side could see; empty if none."""
    leaks = placed.report.seen(of, by)
    return [
        f"{kind} address, {' and '.join(_places(found))}"
        for kind in _KINDS
        if (found := [leak for leak in leaks if leak.secret.kind == kind])
    ]


def kinds(placed: Placed, of: str, by: str) -> str:
    """The kinds of those addresses alone, for where there is little room."""
    return ", ".join(phrase.partition(" address")[0] for phrase in seen(placed, of, by)) or NOTHING


def _places(leaks: Iterable[Exposure]) -> list[str]:
    """In packets, in the description: where there, and spelt how."""
    packets: dict[str, None] = {}
    lines: dict[str, None] = {}
    for leak in leaks:
        if leak.first.unit == "packet":
            packets[leak.first.layer] = None
        else:
            lines[_spelling(leak.encoding)] = None
    places = []
    if packets:
        places.append(f"in its packets ({', '.join(packets)})")
    if lines:
        places.append(f"in the description it was sent ({', '.join(lines)})")
    return places


def _spelling(encoding: str) -> str:
    """For a reader: which hash of what does not matter here."""
    for hash_name in ("md5", "sha1", "sha256", "crc32"):
        if encoding.startswith(hash_name):
            return "as a hash"
    return "as text" if encoding.startswith("text") else encoding


def path(placed: Placed) -> str:
    """The way that the media took."""
    if not placed.scenario.is_answered:
        return "none"
    return "direct" if placed.direct else "through the relay"


def verdict(placed: Placed) -> str:
    """Whether it is what had to come of it."""
    if placed.fault:
        return placed.fault
    if placed.exposed != placed.scenario.exposed:
        missing = set(placed.scenario.exposed) - set(placed.exposed)
        return "an expected exposure was not found" if missing else "an address leaked"
    return "as promised" if not placed.exposed else "exposed, as expected"
