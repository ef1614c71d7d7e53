"""Gives up the privileges that the daemon needs no more once it has started.

Rules of this file: it only takes privileges away. A daemon without any stays as it is.
"""

import ctypes
import os
import pwd
import resource
import sys
from pathlib import Path

from relay.errors import RelayError

_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, <linux/capability.h>
_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 8, 24, 38
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAP_NET_ADMIN, _CAP_BPF = 12, 39
_UNPRIVILEGED_MAPS = (5, 19)
"""From this kernel version on, a process without CAP_BPF may use maps that it has opened."""


def drop(user: str, filters: bool) -> None:
    """Give up every capability that the fast path does not need, and become the named user.

    Args:
        user: the name of a user; empty to stay the present one.
        filters: the fast path is attached. CAP_NET_ADMIN stays then, to attach to interfaces that
            come later and to detach at the end.
    Raises: RelayError, where there is no such user or the process may not become it.
    """
    if sys.platform != "linux":
        return
    keep = 1 << _CAP_NET_ADMIN if filters else 0
    if filters and _kernel() < _UNPRIVILEGED_MAPS:
        keep |= 1 << _CAP_BPF
    keep &= _permitted()
    libc = ctypes.CDLL(None, use_errno=True)
    _gain_nothing(libc)
    if user:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        _become(user)
    _keep_only(libc, keep)


def loses_files(user: str) -> bool:
    """Whether a file that this process can read now may be closed to it after `drop`.

    Raises: RelayError, where there is no such user.
    """
    if sys.platform != "linux":
        return False
    is_another = user != "" and find(user).pw_uid != os.geteuid()
    return is_another or _reading() != 0


def keep_reading() -> None:
    """Give up every capability but one that lets this process read what it can read now.

    Raises: RelayError, where it may not give them up.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _gain_nothing(libc)
    _keep_only(libc, _reading())


def set_core_dumps(is_allowed: bool) -> None:
    """Keep the memory of this process, with its addresses and tokens, out of core files.

    The resource limit alone does not do that: it has no effect where the host pipes core files into
    a program. A process that is not dumpable is also closed to debuggers, and most of its /proc to
    everybody but root. The kernel resets the flag when the process becomes another user, so call
    this again after that.

    Args:
        is_allowed: the process may dump core, within the limit that it was started with.
    """
    if not is_allowed:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(is_allowed), 0, 0, 0)


def find(user: str) -> pwd.struct_passwd:
    """Find a user by name. Raises: RelayError, where there is no such user."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise RelayError(f"user: {user}: there is no such user on this host") from None


def _reading() -> int:
    """The least capability of this process that opens every file for reading; 0 for none."""
    permitted = _permitted()
    return permitted & 1 << _CAP_DAC_READ_SEARCH or permitted & 1 << _CAP_DAC_OVERRIDE


def _gain_nothing(libc: ctypes.CDLL) -> None:
    """Let no program that this process runs have more than it has."""
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        # Fails where we may not, or it is unknown.
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def _become(user: str) -> None:
    entry = find(user)
    if entry.pw_uid == os.geteuid():
        return
    try:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        raise RelayError(f"user: {user}: the daemon cannot become it: {error.strerror}") from None


def _keep_only(libc: ctypes.CDLL, keep: int) -> None:
    """Reduce the effective, permitted and inheritable capability sets to `keep`."""
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    low, high = keep & 0xFFFFFFFF, keep >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    if libc.capset(header, data):
        raise RelayError(
            f"the daemon cannot give up its capabilities: {os.strerror(ctypes.get_errno())}"
        )


def _permitted() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapPrm":
            return int(value, 16)
    return 0


def _kernel() -> tuple[int, int]:
    major, minor, *_ = os.uname().release.split(".")
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)
