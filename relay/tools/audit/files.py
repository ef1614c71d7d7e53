"""Which file belongs to which party, and what is in it.

Rules of this file: a party is named by its directory, or by its file's name up to the first dot;
`alice.pcap`, `alice.sdp` and everything below `alice/` are alice's. What is alice's is what alice
could see, but for descriptions with `sent` as a part of their name, and those in JSON that say
`"from": "alice"`: those she wrote herself. Files are of one call unless they say otherwise:
`alice.monday.pcap` and `alice.tuesday.pcap` do, and so does each directory below `alice/`.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from relay.errors import ConfigError
from relay.tools.audit.capture_file import CaptureReader, Frame, Unreadable, is_capture
from relay.tools.audit.descriptions import MAX_BYTES, Description, read

CHUNK = 1024 * 1024
"""Bytes of a capture that are held at once."""
MAX_FILES = 4096
_SENT = "sent"


class Source(NamedTuple):
    """One file of one party.

    Args:
        is_sent: a description in it was written by the party, and not received.
        call: files of one call have the same.
    """

    path: Path
    is_sent: bool = False
    call: str = ""


def assign(paths: Iterable[Path], named: Iterable[tuple[str, Path]]) -> dict[str, list[Source]]:
    """Files by party.

    Args:
        paths: files and directories that name their party.
        named: party and file, or directory, where the name is not to be taken for it.
    Raises: ConfigError.
    """
    found: dict[str, list[Source]] = {}
    for party, path in (*_by_name(paths), *named):
        sources = [_source(each, path) for each in _below(path)]
        if not sources:
            raise ConfigError(f"{str(path)!r}: expected files in the directory")
        known = found.setdefault(party, [])
        known += [source for source in sources if source not in known]
    return found


def _by_name(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Each path with the party that its name tells.

    Raises: ConfigError, where two would be of one party because they are called the same: files of
        different directories are as likely two parties' as one's.
    """
    pairs: list[tuple[str, Path]] = []
    first: dict[str, Path] = {}
    for path in paths:
        whole = path.resolve() if path.name in ("", "..") else path.absolute()
        party = whole.name.partition(".")[0]
        if not party:
            raise ConfigError(f"{str(path)!r}: expected a name that begins with its party's")
        other = first.setdefault(party, path)
        if _directory(other) != _directory(path):
            raise ConfigError(
                f"{str(path)!r}: is called {party} as {str(other)!r} is, in another directory; "
                f"say whose it is with --party NAME={path}, or give the directory of each party"
            )
        pairs.append((party, path))
    return pairs


def _directory(path: Path) -> Path:
    """Where a file lies; the name itself may be a link."""
    return path.absolute().parent.resolve()


def _source(path: Path, given: Path) -> Source:
    """A file, as it was given or as it was found below a directory that was."""
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
    """A file opened once: a capture to be read frame by frame, or descriptions.

    Raises: ConfigError, here and while frames are read, if it is neither.
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
        """The frames of a capture.

        Afterwards `is_partial` says whether it ends within one, and `dropped` how many are missing.
        """
        reader = CaptureReader()
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield from reader.feed(chunk)
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        except Unreadable as fault:
            raise self._fault(f"no whole capture: {fault}") from None
        self.is_partial = not reader.is_at_a_boundary
        self.dropped = reader.dropped

    def _fault(self, what: str) -> ConfigError:
        return ConfigError(f"{str(self._path)!r}: {what}")


def _descriptions(data: bytes) -> list[Description]:
    if len(data) > MAX_BYTES:
        raise Unreadable(f"expected descriptions of at most {MAX_BYTES} bytes")
    return read(data)
