"""A daemon to be killed: opens the kernel path with routes, says so, and waits.

    python -m tests.kernel.holder ROUTES

It prints `ready` when packets cross without it; then nothing but a signal ends it.
"""

import signal
import sys
from dataclasses import replace

from tests.kernel.cases import CHANNEL, ROUTE4, SERVER4, SERVER6
from tests.kernel.paths import open_kernel_path, set_route


def main(routes: int) -> None:
    """Set so many routes, the first of them ROUTE4."""
    path = open_kernel_path([SERVER4, SERVER6])
    for number in range(routes):
        channel = CHANNEL + number
        assert path.set_route(set_route(replace(ROUTE4, channel=channel)))
    sys.stdout.write(f"ready {path.adopted}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
