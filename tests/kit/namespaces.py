"""Network namespaces: made, entered, searched for leftovers, removed.

Rules: a name is `cvlab-<pid>-<start time>-<n>-<role>`; one that is not ours by that form, or whose
owner still runs, is never touched.
"""

import ctypes
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.kit.polling import PATIENCE_S

PREFIX = "cvlab"
_NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)-\d+-[a-z-]+")
_DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One network namespace, by its name under /run/netns."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread into the namespace for the length of a `with` block.

        Only the thread moves, and sockets stay where they were made: do not `await` inside.
        """
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            inside = os.open(_DIRECTORY / self.name, os.O_RDONLY)
            try:
                _setns(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket that lives in the namespace, whichever thread uses it afterwards."""
        with self.entered():
            return socket.socket(family, kind, protocol)

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` inside."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(
        self, command: Sequence[str], stdin: str | None = None, timeout_s: float = PATIENCE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end.

        Raises: OSError with what it wrote, if it fails.
        """
        return run_command(self.command(command), stdin, timeout_s)

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command inside; the caller ends it, or the removal of the namespace does."""
        return subprocess.Popen(self.command(command), text=True, **options)

    def set_up(self, lines: Iterable[str], *options: str) -> None:
        """Run lines of `ip` inside, in one process with these options."""
        run_command(["ip", *options, "-n", self.name, "-batch", "-"], "\n".join(lines) + "\n")

    def processes(self) -> list[int]:
        """Ids of the processes inside; none if it is gone."""
        out = subprocess.run(
            ["ip", "netns", "pids", self.name], text=True, capture_output=True, check=False
        ).stdout
        return [int(pid) for pid in out.split()]

    def set_kernel(self, settings: Mapping[str, int | str]) -> None:
        """Write settings under /proc/sys/net, named as there: `ipv4/ip_forward`."""
        with self.entered():
            for name, value in settings.items():
                Path("/proc/sys/net", name).write_text(str(value))


def own_name(number: int, role: str) -> str:
    """The name of the `number`th laboratory's namespace for `role` in this process."""
    return f"{PREFIX}-{os.getpid()}-{_start_time(os.getpid())}-{number}-{role}"


@contextmanager
def host(role: str, number: int = 0) -> Iterator[Namespace]:
    """A network with nothing but loopback, IPv4 and IPv6, for a `with` block."""
    (made,) = make([own_name(number, role)])
    try:
        made.set_kernel({"ipv6/conf/all/disable_ipv6": 0})
        made.set_up(["link set lo up"])
        yield made
    finally:
        remove([made.name])


@contextmanager
def own_host() -> Iterator[None]:
    """Move this process to a network with nothing but loopback, IPv4 and IPv6, for a `with` block.

    Ports that others have, filters that they attach and what the machine lacks make no difference
    there; and what a run that was killed has left there ends with the next run.
    """
    with host("host") as own, own.entered():
        yield


def make(names: Sequence[str]) -> list[Namespace]:
    """Make namespaces, all or none, once those are gone whose owner is dead."""
    remove(leftovers())
    made: list[Namespace] = []
    try:
        for name in names:
            run_command(["ip", "netns", "add", name])
            made.append(Namespace(name))
    except BaseException:
        remove([namespace.name for namespace in made])
        raise
    return made


def remove(names: Sequence[str]) -> None:
    """End every process inside and remove the namespaces; one that is gone is no error."""
    for name in names:
        for pid in Namespace(name).processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    lines = "".join(f"netns del {name}\n" for name in names if (_DIRECTORY / name).exists())
    subprocess.run(
        ["ip", "-force", "-batch", "-"], input=lines, text=True, capture_output=True, check=False
    )


def leftovers() -> list[str]:
    """Names of our form whose owner is dead."""
    if not _DIRECTORY.is_dir():
        return []
    names = []
    for path in _DIRECTORY.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and _start_time(int(match[1])) != int(match[2]):
            names.append(path.name)
    return names


def _start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if there is no such process.

    Process ids are used again; together with the start time one is unique until the next boot.
    """
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(line.rpartition(")")[2].split()[19])


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def run_command(
    command: Sequence[str], stdin: str | None = None, timeout_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Raises: OSError with what it wrote, if it fails.
    """
    done = subprocess.run(
        command,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        text=True,
        capture_output=True,
        check=False,
        timeout=timeout_s,
    )
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def close_pipes(*pipes: IO[Any] | None) -> None:
    """Close what `Popen` left open, so that no ResourceWarning follows."""
    for pipe in pipes:
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
