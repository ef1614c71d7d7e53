"""What earlier daemons have left in the kernel: whose it is, and whether it is of any use still."""

import ctypes
import os
from contextlib import suppress

from relay.forward.kernel import libbpf
from relay.forward.kernel.layout import CONFIG, LAYOUT, MAPS
from relay.forward.kernel.maps import Array

DEAD_NS = 600_000_000_000
"""How long a lease has been over when nothing is left to adopt: a channel's lifetime (RFC 8656
section 12), beyond which no route can last that nobody refreshes."""

_VALUE_MAX = 4096


def maps_of(program_id: int) -> dict[str, int]:
    """Open those maps of a program that have our names. Raises: OSError."""
    program = libbpf.call("bpf_prog_get_fd_by_id", program_id)
    found: dict[str, int] = {}
    try:
        for number in libbpf.map_ids(program):
            fd = libbpf.call("bpf_map_get_fd_by_id", number)
            name = libbpf.map_info(fd).name.decode()
            if name in MAPS:
                found[name] = fd
            else:
                os.close(fd)
    except OSError:
        close_maps(found)
        raise
    finally:
        os.close(program)
    return found


def is_ours(found: dict[str, int]) -> bool:
    """Tell whether these are all of our maps, laid out as ours are now."""
    if found.keys() != MAPS.keys():
        return False
    for name, fd in found.items():
        info = libbpf.map_info(fd)
        key, value = MAPS[name]
        if (info.key_size, info.value_size) != (key.size, value.size):
            return False
    config = Array(os.dup(found["config"]), CONFIG, 1)
    try:
        return bool(config.words[CONFIG.word("layout")] == LAYOUT)
    finally:
        config.close()


def is_dead(program_id: int, now_ns: int) -> bool:
    """Whether this is a program of ours, of whichever layout, that is of no use any more."""
    with suppress(OSError):
        found = maps_of(program_id)
        try:
            return "config" in found and has_ended(found["config"], now_ns)
        finally:
            close_maps(found)
    return False


def has_ended(config_fd: int, now_ns: int) -> bool:
    """Whether a lease was over long ago. It is the first word of `config` in every layout."""
    if libbpf.map_info(config_fd).value_size > _VALUE_MAX:
        return False
    value = (ctypes.c_uint64 * (_VALUE_MAX // 8))()
    libbpf.call("bpf_map_lookup_elem", config_fd, ctypes.byref(ctypes.c_uint32(0)), value)
    return value[0] + DEAD_NS <= now_ns


def close_maps(maps: dict[str, int]) -> None:
    """Close the file descriptors."""
    for fd in maps.values():
        os.close(fd)
