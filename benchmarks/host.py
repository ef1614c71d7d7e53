"""What the host is and how busy its cores are."""

import os
import platform
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_BACKGROUND_S = 1.0
_IDLE, _IOWAIT, _STEAL = 3, 4, 7


@dataclass(frozen=True, slots=True)
class CoreTimes:
    """One reading of a core's line in /proc/stat, in seconds.

    The busy share is what is left of the wall clock after idle and stolen time, not the sum of the
    busy columns: a kernel that accounts by ticks misses short softirqs on an idle core, while it
    keeps idle time to the microsecond.
    """

    at_s: float
    idle_s: float
    stolen_s: float

    @classmethod
    def read(cls, core: int) -> "CoreTimes":
        """The state of `core` now."""
        lines = Path("/proc/stat").read_text().splitlines()
        fields = next(line.split()[1:] for line in lines if line.startswith(f"cpu{core} "))
        ticks = [int(field) for field in fields]
        idle_s = (ticks[_IDLE] + ticks[_IOWAIT]) / _TICKS_PER_S
        return cls(time.monotonic(), idle_s, ticks[_STEAL] / _TICKS_PER_S)

    def busy_since(self, earlier: "CoreTimes") -> float:
        """Busy share between two readings, softirqs included, 0..=1."""
        idle_s = self.idle_s - earlier.idle_s + self.stolen_s - earlier.stolen_s
        return min(1.0, max(0.0, 1 - idle_s / (self.at_s - earlier.at_s)))

    def stolen_since(self, earlier: "CoreTimes") -> float:
        """Share of the time between two readings that a hypervisor took."""
        return (self.stolen_s - earlier.stolen_s) / (self.at_s - earlier.at_s)


def background_busy(cores: Iterable[int]) -> float:
    """Share of the busiest of these cores that is taken while nothing is measured."""
    before = {core: CoreTimes.read(core) for core in cores}
    time.sleep(_BACKGROUND_S)
    return max(CoreTimes.read(core).busy_since(then) for core, then in before.items())


def describe() -> dict[str, str | int | None]:
    """What a reader must know of the host to judge the figures."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or "unknown"


def _commit() -> str:
    """The commit measured, with `+` when files differ from it; empty outside a checkout."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=here, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
