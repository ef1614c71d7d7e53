"""A daemon with the capabilities it was started with: opens the kernel path, drops them, goes on.

    python -m tests.kernel.opener

It prints what `FastPath.open` said; where it opened, whether routes can be changed afterwards by a
process that may do nothing any more.
"""

import ctypes
import os
import sys
import time
from dataclasses import replace

from relay.errors import FastPathError
from tests.kernel.cases import ROUTE4
from tests.kernel.paths import open_kernel_path, set_route
from tests.kit.frames import End

_VERSION_3 = 0x20080522  # of struct __user_cap_header_struct
_HERE = End("127.0.0.1", 3478)


def main() -> None:
    """Open, drop all capabilities, change routes."""
    try:
        path = open_kernel_path([_HERE])
    except FastPathError as error:
        sys.stdout.write(f"{error}\n")
        return
    libc = ctypes.CDLL(None, use_errno=True)
    nothing = ctypes.create_string_buffer(24)
    if libc.capset(ctypes.byref((ctypes.c_uint32 * 2)(_VERSION_3, 0)), nothing):
        raise OSError(ctypes.get_errno(), "capset")
    here = replace(ROUTE4, server=_HERE, target=End(_HERE.host, 50_000), target_server=_HERE)
    was_set = path.set_route(set_route(replace(here, source=End(_HERE.host, 40_000))))
    path.renew(time.monotonic_ns())
    counted = path.counters().packets
    sys.stdout.write(f"uid {os.getuid()} set {was_set} routes {path.routes} packets {counted}\n")


if __name__ == "__main__":
    main()
