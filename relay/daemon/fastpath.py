"""Switches the kernel fast path on where configuration and host allow, and keeps it in step."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from relay.address import ServerAddress
from relay.config.settings import FastPathSettings
from relay.errors import FastPathError, RelayError
from relay.forward.forwarder import Forwarder
from relay.forward.kernel import AbsentPath, FastPath, KernelPath

log = logging.getLogger(__name__)


def open_fastpath(
    settings: FastPathSettings,
    listeners: Sequence[ServerAddress],
    relayed: Sequence[ServerAddress],
    clock_ns: Callable[[], int],
) -> KernelPath:
    """Load and attach the program.

    Args:
        listeners: the UDP listeners, bound already.
        relayed: where relayed ports are going to be opened.
    Returns: the fast path, or one that is absent and says why.
    Raises: RelayError, where it is required and cannot be had.
    """
    if settings.mode == "off":
        return AbsentPath("off")
    try:
        if not listeners:
            raise FastPathError("there is no UDP listener")
        kernel = FastPath.open(settings.interfaces, listeners, relayed, settings.lease_s, clock_ns)
    except FastPathError as error:
        if settings.mode == "require":
            raise RelayError(f"fastpath.mode: require: {error}") from None
        log.info("fastpath_off", extra={"reason": str(error)})
        return AbsentPath(f"off: {error}")
    log.info("fastpath_attached", extra={"adopted_routes": kernel.adopted})
    return kernel


def follow(loop: asyncio.AbstractEventLoop, kernel: KernelPath) -> None:
    """Let the fast path follow interfaces, addresses and routes of this host as they change."""

    def changed() -> None:
        try:
            has_more = kernel.follow()
        except FastPathError as error:
            # What arrives there goes through the user path.
            log.warning("fastpath_interface_left_out", extra={"reason": str(error)})
            return
        if has_more:
            loop.call_soon(changed)

    for descriptor in kernel.watched:
        loop.add_reader(descriptor, changed)


def close_fastpath(
    loop: asyncio.AbstractEventLoop, forwarder: Forwarder, *, leave_running: bool
) -> None:
    """End it before the ports that it guards, or leave it to the next daemon."""
    for descriptor in forwarder.kernel.watched:
        loop.remove_reader(descriptor)
    forwarder.kernel.close(leave_running)
    forwarder.kernel = AbsentPath("off: this relay is stopping")
