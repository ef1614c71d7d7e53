"""Assigns files to parties, and reads them.

Rules of this file: a directory, or the name of a file up to the first dot, names the party:
`alice.pcap`, `alice.sdp` and everything below `alice/` are alice's. Alice's files are what alice
could see. Exceptions are session descriptions with `sent` as a part of their name and those in JSON
with `"from": "alice"`: alice wrote those. All files are of one call unless their names tell them
apart, as `alice.monday.pcap` and `alice.tuesday.pcap` do, and directories below `alice/`.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from relay.errors import ConfigError
from relay.tools.audit.capture_file import CaptureReader, Frame, Unreadable, is_capture
from relay.tools.audit.descriptions import MAX_BYTES, Description, read

CHUNK = 1024 * 1024
"""How many bytes of a capture are read at once."""
MAX_FILES = 4096
_SENT = "sent"


class Source(NamedTuple):
    """One file of one party.

    Args:
        is_sent: the party wrote the descriptions in the file, and did not receive them.
        call: the name of the call, the same for all files of a call.
    """

    path: Path
    is_sent: bool = False
    call: str = ""


def assign(paths: Iterable[Path], named: Iterable[tuple[str, Path]]) -> dict[str, list[Source]]:
    """Assign files to parties.

    Args:
        paths: files and directories whose names tell the party.
        named: pairs of a party and its file or directory, whatever that is called.
    Returns: the files of each party.
    Raises: ConfigError. Nothing else.
    """
    found: dict[str, list[Source]] = {}
    for party, path in (*_by_name(paths), *named):
        sources = [_source(each, path) for each in _below(path)]
        if not sources:
            raise ConfigError(f"{str(path)!r}: expected at least one file in the directory")
        known = found.setdefault(party, [])
        known += [source for source in sources if source not in known]
    return found


def _by_name(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Pair each path with the party that its name tells.

    Raises: ConfigError, where files of different directories name the same party: they may well be
        two parties'.
    """
    pairs: list[tuple[str, Path]] = []
    first: dict[str, Path] = {}
    for path in paths:
        whole = path.resolve() if path.name in ("", "..") else path.absolute()
        party = whole.name.partition(".")[0]
        if not party:
            raise ConfigError(f"{str(path)!r}: expected a name that begins with the party's name")
        other = first.setdefault(party, path)
        if _directory(other) != _directory(path):
            raise ConfigError(
                f"{str(path)!r}: names the party {party}, and so does {str(other)!r} in another "
                f"directory; say whose it is with --party NAME={path}, or give the directory of "
                "each party"
            )
        pairs.append((party, path))
    return pairs


def _directory(path: Path) -> Path:
    """The directory that a file is in; the file itself may be a link."""
    return path.absolute().parent.resolve()


def _source(path: Path, given: Path) -> Source:
    """Describe a file that was given, or found below a directory that was given."""
    parts = path.name.split(".")
    if path == given:
        call = ".".join(part for part in parts[1:-1] if part != _SENT)
    else:
        call = str(path.parent.relative_to(given))
    return Source(path, _SENT in parts, call)


def _below(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    for directory, names, files in os.walk(path, onerror=_refuse):
        names.sort()
        links = [name for name in names if Path(directory, name).is_symlink()]
        if links:
            link = str(Path(directory, links[0]))
            raise ConfigError(f"{link!r}: expected no link to a directory; give the directory")
        found += [Path(directory, name) for name in sorted(files) if not name.startswith(".")]
        if len(found) > MAX_FILES:
            raise ConfigError(f"{str(path)!r}: expected at most {MAX_FILES} files")
    return found


def _refuse(error: OSError) -> None:
    raise ConfigError(f"{error.filename!r}: cannot be read: {error.strerror}") from None


class Contents:
    """What is in a file: a capture, which is read frame by frame, or session descriptions.

    Raises: ConfigError, here and while frames are read, if the file is neither.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.descriptions: list[Description] = []
        self.is_partial = False
        self.dropped = 0
        try:
            with path.open("rb") as file:
                head = file.read(4)
                self.is_capture = is_capture(head)
                if not self.is_capture:
                    self.descriptions = _descriptions(head + file.read(MAX_BYTES))
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        except Unreadable as fault:
            raise self._fault(str(fault)) from None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of a capture.

        Afterwards `is_partial` says whether the file ends within a frame, and `dropped` how many
        packets are missing.
        """
        reader = CaptureReader()
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield from reader.feed(chunk)
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        except Unreadable as fault:
            raise self._fault(f"the capture is damaged: {fault}") from None
        self.is_partial = not reader.is_at_a_boundary
        self.dropped = reader.dropped

    def _fault(self, what: str) -> ConfigError:
        return ConfigError(f"{str(self._path)!r}: {what}")


def _descriptions(data: bytes) -> list[Description]:
    if len(data) > MAX_BYTES:
        raise Unreadable(f"expected descriptions of at most {MAX_BYTES} bytes")
    return read(data)
