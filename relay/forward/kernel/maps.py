"""Maps of the kernel: hashes through system calls, arrays through memory shared with the program.

Rules of this file: a map here owns the file descriptor it was given.
"""

import ctypes
import mmap
import os
from collections.abc import Iterator

from relay.forward.kernel import libbpf
from relay.forward.kernel.layout import Layout


class HashMap:
    """A hash from keys to 32-bit numbers."""

    def __init__(self, fd: int, key: Layout) -> None:
        library = libbpf.load_library()
        self._fd = fd
        self._size = key.size
        self._value = ctypes.c_uint32()
        self._at = ctypes.byref(self._value)
        self._update = library.bpf_map_update_elem
        self._delete = library.bpf_map_delete_elem

    def set(self, key: bytes, value: int) -> bool:
        """Set an entry. Returns: whether there was room for it."""
        self._value.value = value
        return bool(self._update(self._fd, key, self._at, 0) == 0)

    def drop(self, key: bytes) -> None:
        """Take an entry away; one that does not exist is no error."""
        self._delete(self._fd, key)

    def items(self) -> Iterator[tuple[bytes, int]]:
        """Every entry, as far as nobody changes the map meanwhile."""
        library = libbpf.load_library()
        before: bytes | None = None
        key = ctypes.create_string_buffer(self._size)
        while library.bpf_map_get_next_key(self._fd, before, key) == 0:
            before = key.raw
            if library.bpf_map_lookup_elem(self._fd, before, self._at) == 0:
                yield before, self._value.value

    def close(self) -> None:
        """Close the file descriptor."""
        os.close(self._fd)


class Array:
    """An array of structures in memory that the program reads and writes too.

    Storing a word is one instruction: the program sees the old value or the new one.
    """

    def __init__(self, fd: int, value: Layout, length: int) -> None:
        self._fd = fd
        self.length = length
        self.memory = mmap.mmap(fd, value.size * length)
        self._bytes = memoryview(self.memory)
        self.words = self._bytes.cast("Q")

    def close(self) -> None:
        """Unmap the memory and close the file descriptor."""
        self.words.release()
        self._bytes.release()
        self.memory.close()
        os.close(self._fd)


class PerCpu:
    """An array of structures of 64-bit words, one per CPU."""

    def __init__(self, fd: int, value: Layout) -> None:
        self._fd = fd
        self._words = value.size // 8
        self._values = (ctypes.c_uint64 * (self._words * possible_cpus()))()

    def sums(self, index: int = 0) -> list[int]:
        """Each word of an element, added up over all CPUs."""
        key = ctypes.c_uint32(index)
        libbpf.call("bpf_map_lookup_elem", self._fd, ctypes.byref(key), self._values)
        return [sum(self._values[word :: self._words]) for word in range(self._words)]

    def close(self) -> None:
        """Close the file descriptor."""
        os.close(self._fd)


def possible_cpus() -> int:
    """How many values a map per CPU has."""
    return libbpf.call("libbpf_num_possible_cpus")
