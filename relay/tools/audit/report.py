"""The report of an audit, in words and as a JSON document.

Rules of this file: a report shows an address, or a name from a certificate, only to a user who
asked for it. Otherwise it says which address of which party it is, and its family and scope.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from relay.address import Address
from relay.tools.audit.own import is_behind_nat
from relay.tools.audit.spellings import IP

Json = dict[str, Any]


class Secret(NamedTuple):
    """One address of one party; `number` counts the addresses of the party from 1."""

    party: str
    number: int
    address: Address

    @property
    def ip(self) -> IP:
        """The address without its port, to search for."""
        return ipaddress.ip_address(self.address.packed)

    @property
    def kind(self) -> str:
        """Family and scope of the address, which is all that a report needs to say."""
        ip = self.ip
        scope = "private" if is_behind_nat(ip) else "link-local" if ip.is_link_local else "public"
        return f"{scope} IPv{ip.version}"

    def as_document(self, *, is_shown: bool) -> Json:
        """Build the JSON document of the address."""
        shown = {"text": self.address.reveal()[0]} if is_shown else {}
        return {"number": self.number, "kind": self.kind, **shown}


class Place(NamedTuple):
    """The place of a hit.

    Args:
        unit: "packet" or "line", which `number` counts from 1.
        layer: the part of the packet or of the description.
        offset: in bytes, from the beginning of the packet or of the description.
    """

    file: str
    unit: str
    number: int
    layer: str
    offset: int


@dataclass(slots=True)
class Exposure:
    """An address of one party in what another could see, in one encoding and kind of place."""

    secret: Secret
    seen_by: str
    encoding: str
    is_short: bool
    first: Place
    count: int = 1

    @property
    def may_be_chance(self) -> bool:
        """Whether four random bytes may look like the address: once, where no protocol has one."""
        return self.is_short and self.count == 1 and self.first.layer not in _HAVE_ADDRESSES

    def words(self, *, is_shown: bool) -> str:
        """Write the exposure as one line."""
        secret, first = self.secret, self.first
        shown = f" {secret.address.reveal()[0]}" if is_shown else ""
        often = "" if self.count == 1 else f", and {self.count - 1} more"
        chance = " (four bytes, once: may be chance)" if self.may_be_chance else ""
        return (
            f"{self.seen_by} could see {secret.party}'s {secret.kind} address{shown}: "
            f"{self.encoding} in {first.layer}, {first.file} {first.unit} {first.number} "
            f"offset {first.offset}{often}{chance}"
        )

    def as_document(self, *, is_shown: bool) -> Json:
        """Build the JSON document of the exposure."""
        return {
            "of": self.secret.party,
            "address": self.secret.as_document(is_shown=is_shown),
            "seen_by": self.seen_by,
            "encoding": self.encoding,
            **self.first._asdict(),
            "count": self.count,
            "may_be_chance": self.may_be_chance,
        }


_HAVE_ADDRESSES = {"IP header", "STUN message"}


class Verdict(Enum):
    """The result of an audit. Encrypted content, which nobody can open, is no gap."""

    CLEAN = "clean"
    """The audit searched everything and found no address of one party in what another saw."""
    LEAK = "leak"
    """The audit found at least one address, whatever it could not search."""
    INCOMPLETE = "incomplete"
    """The audit found no address, but could not search everything, or not for every address."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the audit could not search, or could not search for.

    Args:
        kind: `cut_packets`, `partial_capture`, `empty_capture`, `dropped_packets`, `unknown_link`,
            `unknown_frames`, `malformed_packets`, `fragments`, `missing_segments`, `compressed`,
            `too_many_addresses`, `unknown_address`, `unknown_public_address`, `disputed_address`,
            `shared_address`.
        about: the party.
        count: how many packets or other things this is about.
        text: a sentence, without addresses.
    """

    kind: str
    about: str
    count: int
    text: str

    def as_document(self) -> Json:
        """Build the JSON document of the gap."""
        return asdict(self)


class Notice(NamedTuple):
    """Something that is not an address, but can tell who somebody is.

    Args:
        kind: `certificate_name`, `certificate_reused`.
        about: the party.
        text: without addresses and names.
        shown: the name, for a user who asked to see it.
    """

    kind: str
    about: str
    text: str
    shown: str = ""

    def words(self, *, is_shown: bool) -> str:
        """Write the notice as one line."""
        shown = f": {self.shown!r}" if is_shown and self.shown else ""
        return f"{self.about}: {self.text}{shown}"

    def as_document(self, *, is_shown: bool) -> Json:
        """Build the JSON document of the notice."""
        shown = {"name": self.shown} if is_shown and self.shown else {}
        return {"kind": self.kind, "about": self.about, "text": self.text, **shown}


@dataclass(slots=True)
class Looked:
    """How much of one party the audit has read."""

    captures: int = 0
    packets: int = 0
    encrypted: int = 0
    descriptions: int = 0
    secrets: tuple[Secret, ...] = ()

    def words(self) -> str:
        """Write the counts as one line."""
        encrypted = f" ({self.encrypted} with encrypted content)" if self.encrypted else ""
        return (
            f"{self.packets} packets{encrypted} in {_many(self.captures, 'capture')}, "
            f"{_many(self.descriptions, 'description')}; "
            f"{_many(len(self.secrets), 'address', 'addresses')} of its own to search for in the "
            "files of the others"
        )

    def as_document(self, *, is_shown: bool) -> Json:
        """Build the JSON document of the counts."""
        return {
            "captures": self.captures,
            "packets": self.packets,
            "encrypted": self.encrypted,
            "descriptions": self.descriptions,
            "addresses": [each.as_document(is_shown=is_shown) for each in self.secrets],
        }


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


@dataclass(slots=True)
class Report:
    """The whole result of an audit."""

    parties: dict[str, Looked] = field(default_factory=dict)
    leaks: list[Exposure] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unsearched: list[Gap] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The result: a leak whatever could not be searched, clean only if everything was."""
        if self.leaks:
            return Verdict.LEAK
        return Verdict.INCOMPLETE if self.unsearched else Verdict.CLEAN

    def seen(self, of: str, by: str) -> list[Exposure]:
        """Find what one party could see of another's addresses."""
        return [leak for leak in self.leaks if leak.secret.party == of and leak.seen_by == by]

    def lines(self, *, is_shown: bool) -> Iterator[str]:
        """Write the report for a person."""
        for name, looked in self.parties.items():
            yield f"{name}  {looked.words()}"
        for notice in self.notices:
            yield f"notice  {notice.words(is_shown=is_shown)}"
        for gap in self.unsearched:
            yield f"unsearched  {gap.about}: {gap.text}"
        for leak in self.leaks:
            yield f"leak  {leak.words(is_shown=is_shown)}"
        if self.verdict is Verdict.CLEAN:
            yield "clean  no address of one party shows in what another could see"
        elif self.verdict is Verdict.INCOMPLETE:
            yield "incomplete  no address was found, but not everything could be searched"

    def as_document(self, *, is_shown: bool) -> Json:
        """Build the JSON document of the report."""
        return {
            "verdict": self.verdict.value,
            "clean": self.verdict is Verdict.CLEAN,
            "leaks": [leak.as_document(is_shown=is_shown) for leak in self.leaks],
            "unsearched": [gap.as_document() for gap in self.unsearched],
            "notices": [notice.as_document(is_shown=is_shown) for notice in self.notices],
            "parties": {
                name: looked.as_document(is_shown=is_shown) for name, looked in self.parties.items()
            },
        }
