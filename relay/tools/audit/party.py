"""Reads the files of one party for the first time: its addresses, its certificates, gaps."""

from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from relay.errors import ConfigError
from relay.tools.audit.capture_file import Frame
from relay.tools.audit.certificates import CertificateReader
from relay.tools.audit.descriptions import Description, candidates, fingerprints
from relay.tools.audit.files import Contents, Source
from relay.tools.audit.own import Survey, is_behind_nat
from relay.tools.audit.packets import Packet, parse
from relay.tools.audit.report import Gap, Looked, Notice
from relay.tools.audit.spellings import IP
from relay.tools.audit.unsearched import Unsearched

MAX_CERTIFICATES = 4096


class _Shown(NamedTuple):
    """Who showed a certificate, by address or by whether the party wrote it; and in which call."""

    call: str
    source: str | bool


class Party:
    """One party, its files, and what they tell of it.

    Raises: ConfigError, if a file cannot be read, or if no file holds anything.
    """

    def __init__(self, name: str, sources: Sequence[Source]) -> None:
        self.name = name
        self.sources = sources
        self.looked = Looked()
        self.relays: set[IP] = set()
        """Servers and relayed addresses that any file of the party names."""
        self.servers: set[IP] = set()
        """Those of `relays` that captures confirm. A description can call any address relayed."""
        self.notices: list[Notice] = []
        self.gaps: list[Gap] = []
        self._written: set[IP] = set()
        self._relayed: set[IP] = set()
        self._surveys: list[tuple[Source, Survey]] = []
        self._shown: dict[bytes, set[_Shown]] = {}
        self._names: dict[str, None] = {}
        for source in sources:
            self._take(source)
        if not self.looked.packets and not self.looked.descriptions:
            raise ConfigError(
                f"{name}: expected packets or a session description in the files of this party"
            )

    def _take(self, source: Source) -> None:
        contents = Contents(source.path)
        if contents.is_capture:
            self._take_capture(source, contents)
        for description in contents.descriptions:
            if not description.is_around:
                self._take_description(description, source)

    def _take_capture(self, source: Source, contents: Contents) -> None:
        survey, reader, unsearched = Survey(), CertificateReader(), Unsearched()
        before = self.looked.packets
        for frame, packet in packets(contents):
            self.looked.packets += 1
            unsearched.take(frame, packet)
            survey.take(packet)
            for certificate in reader.take(packet):
                self._show(certificate.digest, _Shown(source.call, packet.source))
                self._names.update(dict.fromkeys(certificate.names))
        self.looked.captures += 1
        self.relays |= survey.relays
        self.servers |= survey.relays
        self.looked.encrypted += unsearched.encrypted
        self._surveys.append((source, survey))
        name = source.path.name
        self.gaps += unsearched.gaps(self.name, name, contents.dropped)
        if contents.is_partial:
            self._gap("partial_capture", f"{name}: the capture ends within a packet")
        if self.looked.packets == before:
            self._gap("empty_capture", f"{name}: the capture holds no packet")
        if survey.is_full:
            self._gap(
                "too_many_addresses",
                f"{name}: the capture has more addresses than the audit can watch",
            )

    def _take_description(self, description: Description, source: Source) -> None:
        self.looked.descriptions += 1
        is_own = self.wrote(description, source)
        found = candidates(description.text)
        self.relays |= found.relayed
        if is_own:
            self._written |= found.own
            self._relayed |= found.relayed
        for digest in fingerprints(description.text):
            self._show(digest, _Shown(source.call, is_own))

    def wrote(self, description: Description, source: Source) -> bool:
        """Whether the party wrote a description, rather than received it."""
        return source.is_sent if not description.author else description.author == self.name

    def _show(self, digest: bytes, shown: _Shown) -> None:
        if len(self._shown) < MAX_CERTIFICATES:
            self._shown.setdefault(digest, set()).add(shown)

    def _notice(self, kind: str, text: str, shown: str = "") -> None:
        self.notices.append(Notice(kind, self.name, text, shown))

    def _gap(self, kind: str, text: str) -> None:
        self.gaps.append(Gap(kind, self.name, 1, text))

    def own(self, relays: Set[IP], *, is_needed: bool) -> set[IP]:
        """Find the party's own addresses in its files.

        Args:
            relays: addresses of relays, from the files of all parties.
            is_needed: a capture that does not tell the party's address is a fault, not only a gap.
        Raises: ConfigError, where an address is needed and not found. Nothing else.
        """
        own = self._written - relays
        for source, survey in self._surveys:
            found = survey.own(relays)
            own |= found
            if is_needed and survey.versions and not found and not self._written:
                raise ConfigError(
                    f"{str(source.path)!r}: the capture does not tell which address is "
                    f"{self.name}'s; give --secret {self.name}=ADDRESS"
                )
        return own

    def note_unknown(self, own: Set[IP], relays: Set[IP], servers: Set[IP]) -> None:
        """Note which addresses of the party are unknown, so that the audit cannot search for them.

        Args:
            own: the addresses that are known.
            relays, servers: those of all parties.
        """
        secret = f"give --secret {self.name}=ADDRESS"
        if self._disputed(relays, servers) - own:
            text = f"the files call one of its addresses a relay's; if that is wrong, {secret}"
            self._gap("disputed_address", text)
        versions = {version for _, survey in self._surveys for version in survey.versions}
        if not own and not versions:
            self._gap("unknown_address", f"the files tell no address of this party; {secret}")
        for version in sorted(versions):
            of_version = [ip for ip in own if ip.version == version]
            talks_outside = any(survey.talks_outside(version) for _, survey in self._surveys)
            if not of_version:
                text = f"the files do not tell which IPv{version} address is its own; {secret}"
                self._gap("unknown_address", text)
            elif talks_outside and not any(map(_is_public, of_version)):
                text = (
                    f"it is behind NAT, and the files do not tell its public IPv{version} address; "
                )
                self._gap("unknown_public_address", text + secret)

    def _disputed(self, relays: Set[IP], servers: Set[IP]) -> set[IP]:
        """Find addresses that its files call its own, and somebody's files call a relay's.

        A masked party is told an address of the relay's as its mapped address, and writes it into
        candidates. So an address that the party names counts only where nothing but another
        party's description calls it a relay's.
        """
        named = self._written.union(*(survey.told() for _, survey in self._surveys))
        sending = {ip for _, survey in self._surveys for ip in survey.disputed(relays)}
        return sending | ((named & relays) - servers - self._relayed)

    def note_certificates(self, own: Set[IP]) -> None:
        """Note certificates that tell who somebody is, or that one party was in several calls."""
        texts = {str(ip) for ip in own}
        for shown in self._shown.values():
            for is_own in (True, False):
                calls = {
                    each.call
                    for each in shown
                    if (each.source is True or each.source in texts) == is_own
                }
                if len(calls) > 1:
                    did = "showed" if is_own else "was shown"
                    self._notice(
                        "certificate_reused", f"{did} the same certificate in {len(calls)} calls"
                    )
        for name in self._names:
            self._notice("certificate_name", "a certificate in its captures holds a name", name)


def _is_public(ip: IP) -> bool:
    return not is_behind_nat(ip) and not ip.is_link_local


def packets(contents: Contents) -> Iterator[tuple[Frame, Packet]]:
    """Yield the frames of a capture, each with its packet."""
    for frame in contents.frames():
        yield frame, parse(frame.data, frame.time_s, frame.link, is_outgoing=frame.is_outgoing)
