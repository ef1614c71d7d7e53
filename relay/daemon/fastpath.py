"""Switches the kernel fast path on where configuration and host allow, and keeps it in step."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from relay.address import ServerAddress
from relay.config.settings import FastPathSettings
from relay.errors import FastPathError, RelayError
from relay.forward.kernel import FastPath

log = logging.getLogger(__name__)


def open_fastpath(
    settings: FastPathSettings,
    listeners: Sequence[ServerAddress],
    relayed: Sequence[ServerAddress],
    clock_ns: Callable[[], int],
) -> tuple[FastPath | None, str]:
    """Load and attach the program.

    Args:
        listeners: the UDP listeners, bound already.
        relayed: where relayed ports are going to be opened.
    Returns: the fast path, or None; and in words how it stands.
    Raises: RelayError, where it is required and cannot be had.
    """
    if settings.mode == "off":
        return None, "off"
    try:
        if not listeners:
            raise FastPathError("there is no UDP listener")
        kernel = FastPath.open(settings.interfaces, listeners, relayed, settings.lease_s, clock_ns)
    except FastPathError as error:
        if settings.mode == "require":
            raise RelayError(f"fastpath.mode: require: {error}") from None
        log.info("fastpath_off", extra={"reason": str(error)})
        return None, f"off: {error}"
    log.info("fastpath_attached", extra={"adopted_routes": kernel.adopted})
    return kernel, "attached"


def follow(loop: asyncio.AbstractEventLoop, kernel: FastPath) -> None:
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

    loop.add_reader(kernel.fileno(), changed)
