"""Allocate two legs, let them find each other, and send datagrams there and back."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aioice import stun

from relay.calls.credentials import Credential
from relay.errors import CommandError
from relay.tools.probe.leg import HELLO, PING, Leg
from relay.tools.probe.report import Report, judge
from relay.tools.probe.stream import RelayedStream
from relay.tools.probe.url import TurnUrl

INTERVAL_S = 0.02
"""Between datagrams: what Opus sends at its usual 20 ms frames."""
PAYLOAD_BYTES = 160

_CHECKS = {
    401: "check that the secret is the daemon's, and both clocks",
    403: "check that the call exists (auth.require_registered_call) and has not ended",
    437: "check that no other program uses this port",
    486: "check limits.allocations_per_leg and limits.legs_per_call",
    508: "check relay.ports: none is free, or the relay is draining",
}


_FOR_ANOTHER_HOST = {62, 64}
"""X509_V_ERR_HOSTNAME_MISMATCH and …_IP_ADDRESS_MISMATCH of OpenSSL's <openssl/x509_vfy.h>."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Args:
        url: of the TURN server.
        legs: one credential for each of the two legs.
        count: datagrams to send and to get back.
        timeout_s: for each step: allocation, first datagram, stragglers.
        tls: what to trust; for turns: only.
        is_masked: whether the relay is to hide even a leg's own address from it.
    """

    url: TurnUrl
    legs: tuple[Credential, Credential]
    count: int = 50
    timeout_s: float = 5.0
    tls: ssl.SSLContext | None = None
    is_masked: bool = True


async def run(plan: Plan) -> Report:
    """Allocate, relay, and judge.

    Raises:
        CommandError: no answer, a refusal, or no way through; with what to check.
    """
    async with _leg(plan, 0) as caller, _leg(plan, 1) as callee:
        await _meet(plan, caller, callee)
        sent_at = await _exchange(plan, caller, callee)
        return judge(caller, callee, sent_at, is_masked=plan.is_masked)


@asynccontextmanager
async def _leg(plan: Plan, index: int) -> AsyncIterator[Leg]:
    """One allocation, deleted in the end."""
    credential, url = plan.legs[index], plan.url
    try:
        async with asyncio.timeout(plan.timeout_s):
            stream = await RelayedStream.open(
                await _resolve(url),
                username=credential.username,
                password=credential.password,
                ssl=plan.tls if url.is_tls else None,
                transport=url.transport,
            )
    except stun.TransactionFailed as error:
        raise CommandError(_refused("Allocate", error)) from None
    except (TimeoutError, stun.TransactionTimeout):
        raise CommandError(
            f"no answer from {url}: check that the daemon listens there over "
            f"{url.transport.upper()}, and the firewalls on the way"
        ) from None
    except ssl.SSLError as error:
        raise CommandError(f"TLS with {url}: {_distrust(error, url)}") from None
    except (OSError, ValueError) as error:
        raise CommandError(
            f"{url}: {_why(error)}; check the URL and that the daemon runs"
        ) from None
    leg = Leg(stream)
    try:
        yield leg
    finally:
        await leg.close(plan.timeout_s)


def _distrust(error: ssl.SSLError, url: TurnUrl) -> str:
    """Why the certificate is not taken, and what to do; a client would not take it either."""
    why = getattr(error, "verify_message", "") or error.reason or "handshake failed"
    if getattr(error, "verify_code", 0) in _FOR_ANOTHER_HOST:
        return f"the certificate is not for {url.host}; probe the name that clients are told: --url"
    return f"{why}; check the certificate and --ca"


def _why(error: OSError | ValueError) -> str:
    """The system's words for it; asyncio's own put the address in."""
    if isinstance(error, socket.gaierror):
        return error.strerror or "the name is unknown"
    code = getattr(error, "errno", None)
    return os.strerror(code) if code else type(error).__name__


async def _resolve(url: TurnUrl) -> tuple[str, int]:
    """A numeric address, IPv4 first; for TLS the name itself, which the certificate is about."""
    if url.is_tls:
        return url.host, url.port
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.host, url.port)
    found.sort(key=lambda entry: entry[0])  # AF_INET is the smaller number everywhere
    address = found[0][4]
    return str(address[0]), int(address[1])


async def _meet(plan: Plan, caller: Leg, callee: Leg) -> None:
    """Bind channels both ways: data crosses once each side has named the other."""
    try:
        async with asyncio.timeout(plan.timeout_s):
            while not (caller.heard.is_set() and callee.heard.is_set()):
                await caller.send(HELLO, callee.relayed)
                await callee.send(HELLO, caller.relayed)
                await asyncio.sleep(INTERVAL_S)
                _check_refusal(caller, callee)
    except TimeoutError:
        sides = [caller.heard.is_set(), callee.heard.is_set()]
        which = "either way" if not any(sides) else "one way"
        raise CommandError(
            f"no route: both legs are allocated but nothing crosses {which}; check that both are "
            "in one call, that the call was accepted, and callveil_drops_total"
        ) from None


def _check_refusal(*legs: Leg) -> None:
    for leg in legs:
        if isinstance(leg.error, stun.TransactionFailed):
            raise CommandError(_refused("ChannelBind", leg.error))
        if leg.error is not None:
            raise CommandError(f"the relay stopped answering: {type(leg.error).__name__}")


def _refused(method: str, error: stun.TransactionFailed) -> str:
    code = error.response.error_code or 0
    hint = _CHECKS.get(code, "check the daemon's log")
    return f"{method} was refused with {code}: {hint}"


async def _exchange(plan: Plan, caller: Leg, callee: Leg) -> dict[int, float]:
    """Send the pings at a steady pace, then wait for those still on the way.

    Returns: when each was sent.
    """
    sent_at: dict[int, float] = {}
    peer = callee.relayed
    for number in range(plan.count):
        datagram = (PING + number.to_bytes(8)).ljust(PAYLOAD_BYTES, b"\0")
        sent_at[number] = time.perf_counter()
        await caller.send(datagram, peer)
        await asyncio.sleep(INTERVAL_S)
    try:
        async with asyncio.timeout(plan.timeout_s):
            while len(caller.returned) < plan.count:
                caller.changed.clear()
                await caller.changed.wait()
    except TimeoutError:
        pass  # counted as lost
    return sent_at
