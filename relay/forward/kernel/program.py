"""The program and its maps: loaded, or taken over from a daemon that ran before, and attached.

Two ways lead to the maps of an earlier daemon: the filter it left on an interface (which asks for
CAP_SYS_ADMIN), and its pins (which ask for a BPF file system). Maps of another layout are left
alone: they go with the program that used them when it is replaced. What relays have left that are
gone for good is removed.
"""

import hashlib
import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from relay.address import ServerAddress
from relay.errors import FastPathError
from relay.forward.kernel import libbpf
from relay.forward.kernel.adoption import close_maps, is_dead, is_ours, maps_of
from relay.forward.kernel.compile import OBJECT, REASON
from relay.forward.kernel.layout import LAYOUT, MAPS, ROUTE_KEY
from relay.forward.kernel.maps import Array, HashMap, PerCpu
from relay.forward.kernel.pins import Pins

NAME = "callveil"
PRIORITY = 49
"""Of the filter, among those on the same interface; any other number would do as well."""

_CAPABILITIES = {"CAP_BPF": 39, "CAP_NET_ADMIN": 12}
"""What loading and attaching ask for. Without CAP_PERFMON the kernel adds barriers against
speculative execution to the program, which then takes twice the time."""

_SO_NETNS_COOKIE = 71
_YES = (1).to_bytes(4, "little")


class Program:
    """A loaded program.

    Args:
        listeners: they tell one relay on this host from another.
        interfaces: where an earlier daemon may have left its filter.
        clock_is_config: the time is what the map `config` says, for tests.
    Raises: FastPathError, with what is missing.

    `fd` is the program's file descriptor, `maps` are those of its maps.
    """

    def __init__(
        self,
        listeners: Sequence[ServerAddress],
        interfaces: Iterable[int],
        clock_is_config: bool = False,
    ) -> None:
        self._handle = int(_digest(*_identity(listeners)), 16) % 0xFFFFFFFE + 1
        self._pins = pins_of(listeners)
        self._attached: set[int] = set()
        found = self._find(interfaces)
        try:
            self.fd, self.maps = _load(found, clock_is_config)
        finally:
            close_maps(found)

    def routes(self) -> HashMap:
        """The map `routes`."""
        return HashMap(os.dup(self.maps["routes"]), ROUTE_KEY)

    def array(self, name: str) -> Array:
        """The map `slots`, `legs` or `config`."""
        fd = self.maps[name]
        return Array(os.dup(fd), MAPS[name][1], libbpf.map_info(fd).max_entries)

    def listeners(self) -> HashMap:
        """The map `listeners`."""
        return HashMap(os.dup(self.maps["listeners"]), MAPS["listeners"][0])

    def counters(self, name: str) -> PerCpu:
        """The map `totals` or `drops`."""
        return PerCpu(os.dup(self.maps[name]), MAPS[name][1])

    def pin(self) -> None:
        """Pin the maps, where the host lets us."""
        with suppress(OSError):
            self._pins.pin(self.maps)

    def give_to(self, uid: int) -> None:
        """Let another user remove the pins: who the daemon is going to be."""
        self._pins.give_to(uid)

    def attach(self, wanted: Iterable[int], present: Iterable[int]) -> None:
        """Filter the wanted interfaces, and of those present no other. Raises: OSError."""
        chosen = set(wanted)
        for ifindex in chosen - self._attached:
            libbpf.attach(ifindex, self.fd, self._handle, PRIORITY)
        for ifindex in set(present) - chosen:
            self._detach(ifindex)
        self._attached = chosen

    def remove_dead(self, filters: Iterable[tuple[int, int]], now_ns: int) -> None:
        """Remove what other relays have left that can be of no use to anybody.

        Args:
            filters: interfaces and handles of everything attached at our priority.
        """
        for ifindex, handle in filters:
            program = libbpf.attached(ifindex, handle, PRIORITY)
            if handle != self._handle and program is not None and is_dead(program, now_ns):
                with suppress(OSError):
                    libbpf.detach(ifindex, handle, PRIORITY)
        self._pins.remove_dead(now_ns)

    def detach(self) -> None:
        """Leave nothing behind: no filter, no pin."""
        for ifindex in self._attached:
            self._detach(ifindex)
        self._attached.clear()
        self._pins.remove()

    def close(self) -> None:
        """Give the file descriptors back; what is attached or pinned stays."""
        close_maps(self.maps)
        os.close(self.fd)
        self._pins.close()

    def _detach(self, ifindex: int) -> None:
        if libbpf.attached(ifindex, self._handle, PRIORITY) is not None:
            with suppress(OSError):  # the interface may be gone by now
                libbpf.detach(ifindex, self._handle, PRIORITY)

    def _find(self, interfaces: Iterable[int]) -> dict[str, int]:
        """The maps of an earlier daemon, if they are laid out as ours."""
        for ifindex in interfaces:
            program = libbpf.attached(ifindex, self._handle, PRIORITY)
            if program is not None:
                with suppress(OSError):
                    found = maps_of(program)
                    if is_ours(found):
                        return found
                    close_maps(found)
        found = self._pins.find(MAPS)
        if is_ours(found):
            return found
        close_maps(found)
        return {}


def pins_of(listeners: Sequence[ServerAddress]) -> Pins:
    """The pins of a relay with these listeners in this network namespace."""
    return Pins(_digest(*_identity(listeners), _network_namespace(), LAYOUT.to_bytes(4)))


def _identity(listeners: Sequence[ServerAddress]) -> list[bytes]:
    return sorted(listener.packed + listener.port.to_bytes(2) for listener in listeners)


def _load(found: dict[str, int], clock_is_config: bool) -> tuple[int, dict[str, int]]:
    """Load the program over the maps that were found, or over new ones."""
    if not OBJECT.exists():
        raise FastPathError(_why_there_is_no_object())
    program = _open(OBJECT)
    try:
        for name, fd in found.items():
            program.reuse(name, fd)
        if clock_is_config:
            program.set_value("fastpath.rodata", _YES)
        try:
            program.load()
        except PermissionError as error:
            raise FastPathError(_why_it_is_forbidden()) from error
        except OSError as error:
            raise FastPathError(f"the kernel refuses it: {program.why() or error}") from error
        maps = {name: os.dup(program.map_fd(name)) for name in MAPS}
        return os.dup(program.program_fd(NAME)), maps
    finally:
        program.close()


def _open(path: Path) -> libbpf.BpfObject:
    try:
        return libbpf.BpfObject(path)
    except OSError as error:
        raise FastPathError(f"{path.name} cannot be read: {error.strerror}") from error


def _why_it_is_forbidden() -> str:
    status = Path("/proc/thread-self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    missing = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    return f"{' and '.join(missing) or 'permission'} missing"


def _why_there_is_no_object() -> str:
    try:
        return REASON.read_text().strip()
    except OSError:
        return f"{OBJECT.name} is missing: install callveil again"


def _digest(*parts: bytes) -> str:
    return hashlib.blake2b(b"\0".join(parts), digest_size=8).hexdigest()


def _network_namespace() -> bytes:
    """A number that no other network namespace of this boot has: Linux 5.14, else its inode."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            return sock.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:
            return Path("/proc/thread-self/ns/net").stat().st_ino.to_bytes(8)
