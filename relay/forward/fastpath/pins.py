"""Maps pinned in the BPF file system, where a daemon that starts again finds them by name.

Rules of this file: pins are a convenience. A host without the file system runs without them: the
maps live on in the program, and the program in the filter.
"""

import ctypes
import os
import shutil
import struct
from contextlib import suppress
from pathlib import Path

from relay.forward.fastpath import libbpf

FILE_SYSTEM = Path("/sys/fs/bpf")
_BPF_FS_MAGIC = 0xCAFE4A11


class Pins:
    """The pins of one relay.

    Args:
        name: the same for every start of this relay, and for no other one.
    """

    def __init__(self, name: str) -> None:
        self._directory = FILE_SYSTEM / f"callveil-{name}"

    def find(self, name: str) -> int | None:
        """A file descriptor of a pinned map; None if there is none."""
        with suppress(OSError):
            return libbpf.call("bpf_obj_get", bytes(self._directory / name))
        return None

    def pin(self, name: str, fd: int) -> None:
        """Pin a map, in place of what was pinned by that name. Raises: OSError."""
        _mount()
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._directory / name
        path.unlink(missing_ok=True)
        libbpf.call("bpf_obj_pin", fd, bytes(path))

    def exist(self) -> bool:
        """Whether there is any."""
        return self._directory.exists()

    def remove(self) -> None:
        """Remove every pin."""
        shutil.rmtree(self._directory, ignore_errors=True)


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
