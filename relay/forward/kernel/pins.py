"""Maps pinned in the BPF file system, where a daemon that starts again finds them by name.

Rules of this file: pins are a convenience. A host without the file system runs without them: the
maps live on in the program, and the program in the filter.
"""

import ctypes
import os
import shutil
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from relay.forward.kernel import libbpf
from relay.forward.kernel.adoption import has_ended

_PREFIX = "callveil-"
FILE_SYSTEM = Path("/sys/fs/bpf")
_BPF_FS_MAGIC = 0xCAFE4A11


class Pins:
    """The pins of one relay.

    Args:
        name: the same for every start of this relay, and for no other one.
    """

    def __init__(self, name: str) -> None:
        self._directory = FILE_SYSTEM / f"{_PREFIX}{name}"
        self._open: int | None = None

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """File descriptors of what is pinned by these names."""
        found = {}
        for name in names:
            with suppress(OSError):
                found[name] = libbpf.call("bpf_obj_get", bytes(self._directory / name))
        return found

    def pin(self, maps: Mapping[str, int]) -> None:
        """Pin maps, in place of what was pinned by their names. Raises: OSError."""
        _mount()
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._open = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        os.fchown(self._open, os.geteuid(), -1)
        for name, fd in maps.items():
            path = self._directory / name
            path.unlink(missing_ok=True)
            libbpf.call("bpf_obj_pin", fd, bytes(path))

    def give_to(self, uid: int) -> None:
        """Let another user remove them."""
        if self._open is not None:
            os.fchown(self._open, uid, -1)

    def remove(self) -> None:
        """Remove every pin; the directory too, where we still may."""
        if self._open is not None:
            for name in os.listdir(self._open):  # noqa: PTH208 - the path may be closed to us
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._open)
        with suppress(OSError):
            self._directory.rmdir()
        self.close()

    def remove_dead(self, now_ns: int) -> None:
        """Remove the pins of other relays that are of no use any more."""
        with suppress(OSError):
            for directory in FILE_SYSTEM.glob(f"{_PREFIX}*"):
                if directory != self._directory and _has_ended(directory, now_ns):
                    shutil.rmtree(directory, ignore_errors=True)

    def close(self) -> None:
        """Give the file descriptor back; the pins stay."""
        if self._open is not None:
            os.close(self._open)
            self._open = None


def _has_ended(directory: Path, now_ns: int) -> bool:
    try:
        config = libbpf.call("bpf_obj_get", bytes(directory / "config"))
    except FileNotFoundError:
        return not any(directory.iterdir())  # what a daemon that gave up its privileges left
    try:
        return has_ended(config, now_ns)
    finally:
        os.close(config)


def _mount() -> None:
    """Mount the file system where every tool looks for it. Raises: OSError."""
    if _magic(FILE_SYSTEM) == _BPF_FS_MAGIC:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", bytes(FILE_SYSTEM), b"bpf", 0, b"mode=0700"):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _magic(path: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    status = ctypes.create_string_buffer(256)  # struct statfs; f_type is its first word
    if libc.statfs(bytes(path), status):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(struct.unpack_from("=Q", status)[0])
