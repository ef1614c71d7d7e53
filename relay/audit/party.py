"""The first pass over one party's files: its own addresses, certificates, and what there is."""

from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from relay.audit.certificates import CertificateReader
from relay.audit.descriptions import Description, candidates, fingerprints
from relay.audit.files import Contents, Source
from relay.audit.own import Survey
from relay.audit.packets import Packet, parse
from relay.audit.report import Looked, Notice
from relay.audit.spellings import IP
from relay.errors import ConfigError

MAX_CERTIFICATES = 4096


class _Shown(NamedTuple):
    """A certificate in one call: by the sender's address, or whether the party wrote of it."""

    call: str
    source: str | bool


class Party:
    """One party and all that was given of it.

    Raises: ConfigError, if a file cannot be read, or there is nothing in any of them.
    """

    def __init__(self, name: str, sources: Sequence[Source]) -> None:
        self.name = name
        self.sources = sources
        self.looked = Looked()
        self.relays: set[IP] = set()
        self.notices: list[Notice] = []
        self._written: set[IP] = set()
        self._surveys: list[tuple[Source, Survey]] = []
        self._shown: dict[bytes, set[_Shown]] = {}
        self._names: dict[str, None] = {}
        for source in sources:
            self._take(source)
        if not self.looked.packets and not self.looked.descriptions:
            raise ConfigError(f"{name}: expected packets or a description in its files")

    def _take(self, source: Source) -> None:
        contents = Contents(source.path)
        if contents.is_capture:
            self._take_capture(source, contents)
        self.looked.descriptions += len(contents.descriptions)
        for description in contents.descriptions:
            self._take_description(description, source)

    def _take_capture(self, source: Source, contents: Contents) -> None:
        survey, reader, cut = Survey(), CertificateReader(), 0
        for packet, is_cut in packets(contents):
            self.looked.packets += 1
            cut += is_cut
            survey.take(packet)
            for certificate in reader.take(packet):
                self._show(certificate.digest, _Shown(source.call, packet.source))
                self._names.update(dict.fromkeys(certificate.names))
        self.looked.captures += 1
        self.relays |= survey.relays
        self._surveys.append((source, survey))
        if cut:
            self._notice("cut_frames", f"{cut} packets of {source.path.name} were cut short")
        if contents.is_partial:
            self._notice("partial_capture", f"{source.path.name} ends within a packet")

    def _take_description(self, description: Description, source: Source) -> None:
        is_own = self.wrote(description, source)
        found = candidates(description.text)
        self.relays |= found.relayed
        self._written |= found.own if is_own else set()
        for digest in fingerprints(description.text):
            self._show(digest, _Shown(source.call, is_own))

    def wrote(self, description: Description, source: Source) -> bool:
        """Whether the party wrote a description itself, and did not receive it."""
        return source.is_sent if not description.author else description.author == self.name

    def _show(self, digest: bytes, shown: _Shown) -> None:
        if len(self._shown) < MAX_CERTIFICATES:
            self._shown.setdefault(digest, set()).add(shown)

    def _notice(self, kind: str, text: str, shown: str = "") -> None:
        self.notices.append(Notice(kind, self.name, text, shown))

    def own(self, relays: Set[IP], *, is_needed: bool) -> set[IP]:
        """Its addresses, as its files tell.

        Args:
            relays: addresses that are the relay's, out of everybody's files.
            is_needed: it is a fault, and not only a notice, if a capture does not tell.
        Raises: ConfigError.
        """
        own = self._written - relays
        for source, survey in self._surveys:
            found = survey.own(relays)
            own |= found
            if is_needed and survey.versions and not found and not self._written:
                raise ConfigError(
                    f"{str(source.path)!r}: does not tell which address is {self.name}'s; expected "
                    f"--secret {self.name}=ADDRESS"
                )
        versions = {version for _, survey in self._surveys for version in survey.versions}
        for version in sorted(versions - {ip.version for ip in own}):
            text = f"which IPv{version} address is its own cannot be told, so none was looked for"
            self._notice("unknown_address", text)
        return own

    def note_certificates(self, own: Set[IP]) -> None:
        """Say which certificates tell who somebody is, or that two calls are of the same party."""
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
            self._notice("certificate_name", "a certificate in its captures has a name", name)


def packets(contents: Contents) -> Iterator[tuple[Packet, bool]]:
    """The packets of a capture, and of each whether it was cut short."""
    for frame in contents.frames():
        packet = parse(frame.data, frame.time_s, frame.link, is_outgoing=frame.is_outgoing)
        yield packet, frame.is_cut
