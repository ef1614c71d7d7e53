"""libbpf by way of ctypes: opening and loading the object, maps, and filters on interfaces.

Rules of this file: it knows nothing of callveil's maps; what the kernel refuses is an OSError. The
structures are those of libbpf 1.0 and later, which grow at their end only and say their size.
"""

import ctypes
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from relay.errors import FastPathError

LIBRARY = "libbpf.so.1"

_INGRESS = 1  # BPF_TC_INGRESS
_REPLACE = 1  # BPF_TC_F_REPLACE
_LOG_BYTES = 1 << 16


class _OpenOptions(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("object_name", ctypes.c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", ctypes.c_char_p),
        ("_removed", ctypes.c_uint32),
        ("kconfig", ctypes.c_char_p),
        ("btf_custom_path", ctypes.c_char_p),
        ("kernel_log", ctypes.c_void_p),
        ("kernel_log_size", ctypes.c_size_t),
        ("kernel_log_level", ctypes.c_uint32),
    )


class _Hook(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("ifindex", ctypes.c_int),
        ("attach_point", ctypes.c_int),
        ("parent", ctypes.c_uint32),
    )


class _Filter(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("program_fd", ctypes.c_int),
        ("flags", ctypes.c_uint32),
        ("program_id", ctypes.c_uint32),
        ("handle", ctypes.c_uint32),
        ("priority", ctypes.c_uint32),
    )


class ProgramInfo(ctypes.Structure):
    """The beginning of `struct bpf_prog_info`."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("jited_size", ctypes.c_uint32),
        ("translated_size", ctypes.c_uint32),
        ("jited", ctypes.c_uint64),
        ("translated", ctypes.c_uint64),
        ("load_time_ns", ctypes.c_uint64),
        ("created_by", ctypes.c_uint32),
        ("map_count", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
    )


class MapInfo(ctypes.Structure):
    """The beginning of `struct bpf_map_info`."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("name", ctypes.c_char * 16),
    )


class BpfObject:
    """An object file, opened and not loaded yet. Raises: OSError."""

    def __init__(self, path: Path) -> None:
        library = load_library()
        self._log = ctypes.create_string_buffer(_LOG_BYTES)
        options = _OpenOptions(
            size=ctypes.sizeof(_OpenOptions),
            kernel_log=ctypes.addressof(self._log),
            kernel_log_size=_LOG_BYTES,
        )
        self._at: int | None = library.bpf_object__open_file(bytes(path), ctypes.byref(options))
        if not self._at:
            raise OSError(ctypes.get_errno(), "bpf_object__open_file")

    def reuse(self, name: str, fd: int) -> None:
        """Use a map that exists instead of making one."""
        call("bpf_map__reuse_fd", self._map(name), fd)

    def set_value(self, name: str, value: bytes) -> None:
        """Set what a map of constants holds when the object is loaded."""
        call("bpf_map__set_initial_value", self._map(name), value, len(value))

    def load(self) -> None:
        """Make the maps and let the kernel check the program."""
        call("bpf_object__load", self._at)

    def why(self) -> str:
        """Read the last lines of what the kernel said about a program that it refused."""
        lines = self._log.value.decode(errors="replace").splitlines()
        return " ".join(line for line in lines[-3:] if not line.startswith("processed "))

    def map_fd(self, name: str) -> int:
        """The file descriptor of a map; it is the object's."""
        return call("bpf_map__fd", self._map(name))

    def program_fd(self, name: str) -> int:
        """The file descriptor of a program; it is the object's."""
        program = load_library().bpf_object__find_program_by_name(self._at, name.encode())
        return call("bpf_program__fd", program)

    def close(self) -> None:
        """Free what is not attached, pinned or held elsewhere."""
        load_library().bpf_object__close(self._at)
        self._at = None

    def _map(self, name: str) -> int | None:
        at: int | None = load_library().bpf_object__find_map_by_name(self._at, name.encode())
        return at


@cache
def load_library() -> ctypes.CDLL:
    """Load libbpf. Raises: FastPathError."""
    try:
        library = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError:
        raise FastPathError(f"{LIBRARY} is missing: apt-get install libbpf1") from None
    for name, result in _POINTERS.items():
        getattr(library, name).restype = result
    for name, arguments in _ARGUMENTS.items():
        getattr(library, name).argtypes = arguments
    library.libbpf_set_print(None)  # it writes to stderr otherwise
    return library


def call(name: str, *arguments: Any) -> int:
    """Call a function that returns 0 or more, or a negated error number. Raises: OSError."""
    result: int = getattr(load_library(), name)(*arguments)
    if result < 0:
        raise OSError(-result, f"{name}: {os.strerror(-result)}")
    return result


def attach(ifindex: int, program_fd: int, handle: int, priority: int) -> None:
    """Attach a program to an interface's ingress, in place of a filter with the same handle."""
    hook = _hook(ifindex)
    with suppress(FileExistsError):  # somebody else's, or ours of an earlier start
        call("bpf_tc_hook_create", ctypes.byref(hook))
    options = _filter(handle, priority)
    options.program_fd, options.flags = program_fd, _REPLACE
    call("bpf_tc_attach", ctypes.byref(hook), ctypes.byref(options))


def attached(ifindex: int, handle: int, priority: int) -> int | None:
    """Find the id of the program that filters at this handle; None if there is none."""
    hook, options = _hook(ifindex), _filter(handle, priority)
    try:
        call("bpf_tc_query", ctypes.byref(hook), ctypes.byref(options))
    except OSError:
        return None
    return int(options.program_id)


def detach(ifindex: int, handle: int, priority: int) -> None:
    """Take the filter away; the qdisc stays, since others may have filters in it."""
    hook, options = _hook(ifindex), _filter(handle, priority)
    call("bpf_tc_detach", ctypes.byref(hook), ctypes.byref(options))


def map_ids(program_fd: int) -> Sequence[int]:
    """List the ids of the maps that a program uses."""
    info = ProgramInfo(map_count=64)
    ids = (ctypes.c_uint32 * 64)()
    info.map_ids = ctypes.addressof(ids)
    _info(program_fd, info)
    return list(ids[: info.map_count])


def map_info(map_fd: int) -> MapInfo:
    """Read name, type and sizes of a map."""
    info = MapInfo()
    _info(map_fd, info)
    return info


def _info(fd: int, info: ctypes.Structure) -> None:
    size = ctypes.c_uint32(ctypes.sizeof(info))
    call("bpf_obj_get_info_by_fd", fd, ctypes.byref(info), ctypes.byref(size))


def _hook(ifindex: int) -> _Hook:
    return _Hook(size=ctypes.sizeof(_Hook), ifindex=ifindex, attach_point=_INGRESS)


def _filter(handle: int, priority: int) -> _Filter:
    return _Filter(size=ctypes.sizeof(_Filter), handle=handle, priority=priority)


_POINTERS = {
    "bpf_object__open_file": ctypes.c_void_p,
    "bpf_object__find_map_by_name": ctypes.c_void_p,
    "bpf_object__find_program_by_name": ctypes.c_void_p,
    "bpf_object__close": None,
}
_ARGUMENTS = {
    "bpf_object__open_file": [ctypes.c_char_p, ctypes.c_void_p],
    "bpf_object__find_map_by_name": [ctypes.c_void_p, ctypes.c_char_p],
    "bpf_object__find_program_by_name": [ctypes.c_void_p, ctypes.c_char_p],
    "bpf_object__load": [ctypes.c_void_p],
    "bpf_object__close": [ctypes.c_void_p],
    "bpf_map__fd": [ctypes.c_void_p],
    "bpf_map__reuse_fd": [ctypes.c_void_p, ctypes.c_int],
    "bpf_map__set_initial_value": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t],
    "bpf_program__fd": [ctypes.c_void_p],
    "bpf_map_update_elem": [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64],
    "bpf_map_lookup_elem": [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p],
    "bpf_map_delete_elem": [ctypes.c_int, ctypes.c_void_p],
    "bpf_map_get_next_key": [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p],
}
