"""`callveil probe`: gets credentials of two legs, runs the probe, and prints the report."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import Api, Config, Json

if TYPE_CHECKING:
    import ssl

    from relay.calls.credentials import Credential
    from relay.client.bodies import CallCreated, PartyCreate
    from relay.config import Settings
    from relay.tools.probe import Report, TurnUrl

CREDENTIAL_TTL_S = 300
"""For how long the credentials of a probe may be used: longer than any probe takes."""


_Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Probe this listener: turn:HOST:PORT?transport=udp, …=tcp, or turns:HOST:PORT.  "
        "[default: what the API says, else the first of listen in the configuration]",
    ),
]
_Secret = Annotated[
    str | None,
    typer.Option(
        metavar="SECRET",
        help="Make credentials with this shared secret: env:NAME, file:PATH, or text (which others "
        "on this host can read).  [default: auth.secrets of the configuration, else the probe "
        "creates a call through the API]",
    ),
]
_Count = Annotated[
    int,
    typer.Option(metavar="N", min=1, max=100_000, help="Send so many datagrams, 50 per second."),
]
_Timeout = Annotated[
    float, typer.Option(metavar="S", min=0.1, max=600, help="Wait so many seconds for each step.")
]
_Ca = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Trust the certificates in this PEM file for turns:.  "
        "[default: tls.certificate of the configuration, else those of the system]",
    ),
]


def probe(  # noqa: PLR0913  one parameter per option
    *,
    url: _Url = None,
    config: Config = None,
    secret: _Secret = None,
    api: Api = None,
    count: _Count = 50,
    timeout: _Timeout = 5.0,
    ca: _Ca = None,
    as_json: Json = False,
) -> int:
    """Send datagrams through a running relay, as the two clients of a call would.

    Prints round-trip times, loss, and what each side could see of the other. Exit 1 if anything is
    wrong; the message says what to check.
    """
    import asyncio  # noqa: PLC0415

    from relay import logs  # noqa: PLC0415
    from relay.config import load  # noqa: PLC0415
    from relay.tools.probe import Plan, run  # noqa: PLC0415

    logs.configure("error")  # the TURN client's own log names addresses
    settings = load(config, os.environ)
    named = None if url is None else _parsed(url)
    with _call(secret, api, settings) as (legs, told):
        plan = Plan(
            url=named or (_first_listener(settings) if told is None else _parsed(told)),
            legs=legs,
            count=count,
            timeout_s=timeout,
            tls=_tls(ca, settings),
            is_masked=settings.privacy.mask_mapped_address,
        )
        report = asyncio.run(run(plan))
    _print(plan.url, report, as_json)
    return 1 if report.faults else 0


def _parsed(url: str) -> "TurnUrl":
    from relay.errors import ConfigError  # noqa: PLC0415
    from relay.tools.probe import TurnUrl  # noqa: PLC0415

    try:
        return TurnUrl.parse(url)
    except ValueError as error:
        raise ConfigError(f"--url: {url!r}: {error}") from None


def _first_listener(settings: "Settings") -> "TurnUrl":
    from relay.errors import ConfigError  # noqa: PLC0415
    from relay.tools.probe import TurnUrl  # noqa: PLC0415

    listen = settings.listen[0]
    try:
        return TurnUrl.of(listen, settings.relay.names)
    except ValueError:
        raise ConfigError(
            f"listen[0]: {listen.url!r}: expected a port to probe; give --url"
        ) from None


@contextmanager
def _call(
    secret: str | None, api: str | None, settings: "Settings"
) -> Iterator[tuple[tuple["Credential", "Credential"], str | None]]:
    """Get credentials of two legs of one call, and the URL that came with them, if any.

    They are made here where a secret is known and no API was named. Otherwise the API creates a
    call, and ends it when the probe is over.
    """
    from relay.cli.api import connected  # noqa: PLC0415

    if api is None and (known := _secret(secret, settings)) is not None:
        yield _minted(known), None
        return
    with connected(api, settings) as client:
        parties: list[PartyCreate] = [{"id": name, "enhanced_call_privacy": True} for name in "ab"]
        call = client.create_call(parties, ring=False)
        try:
            yield _told(call)
        finally:
            client.end_call(call["id"])


def _secret(given: str | None, settings: "Settings") -> str | None:
    """Find the secret to make credentials with; `env:` and `file:` work as in a configuration."""
    from relay.config.secrets import follow  # noqa: PLC0415
    from relay.errors import ConfigError  # noqa: PLC0415

    if given is None:
        configured = settings.auth.secrets
        return configured[0].get_secret_value() if configured else None
    try:
        return follow(given, os.environ)
    except ValueError as error:
        raise ConfigError(f"--secret: {error}") from None


def _minted(secret: str) -> tuple["Credential", "Credential"]:
    from relay.calls.credentials import mint  # noqa: PLC0415

    call, expiry = f"probe-{secrets.token_urlsafe(16)}", int(time.time()) + CREDENTIAL_TTL_S
    return mint(secret, call, "a", expiry), mint(secret, call, "b", expiry)


def _told(call: "CallCreated") -> tuple[tuple["Credential", "Credential"], str]:
    """Read the credentials of both parties, and the URL, from the API's answer."""
    from relay.calls.credentials import Credential  # noqa: PLC0415
    from relay.errors import CommandError  # noqa: PLC0415

    try:
        servers = [
            call["parties"][name]["rtc_configuration"]["iceServers"][0] for name in ("a", "b")
        ]
        first, second = (Credential(each["username"], each["credential"]) for each in servers)
        return (first, second), str(servers[0]["urls"][0])
    except (KeyError, IndexError, TypeError):
        raise CommandError(
            "the answer does not describe a call; check that --api names a callveil"
        ) from None


def _tls(ca: Path | None, settings: "Settings") -> "ssl.SSLContext":
    """Decide which certificates to trust: --ca, else the configured one, else the system's roots.

    The certificate must be for the host in the URL in any case, or clients that are told the URL
    refuse it.
    """
    import ssl  # noqa: PLC0415

    from relay.errors import ConfigError  # noqa: PLC0415

    context = ssl.create_default_context()
    own = settings.tls.certificate
    if ca is None and not own:
        return context
    try:
        context.load_verify_locations(ca or own)
    except (OSError, ValueError):
        raise ConfigError(f"--ca: {str(ca or own)!r}: expected PEM certificates") from None
    # A certificate that somebody handed over may be trusted without what signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _print(url: "TurnUrl", report: "Report", as_json: bool) -> None:
    """Print the report on stdout, then each fault as one line on stderr."""
    if as_json:
        typer.echo(json.dumps({"url": str(url), **report.as_document()}))
        return
    typer.echo(f"relay        {url}")
    if report.rtt_min_ms is not None:
        typer.echo(
            f"round trip   min {report.rtt_min_ms:.2f} ms, median {report.rtt_median_ms:.2f} ms, "
            f"p99 {report.rtt_p99_ms:.2f} ms"
        )
    typer.echo(f"loss         {report.loss:.1%} of {report.sent} datagrams there and back")
    for side, seen in report.seen.items():
        typer.echo(f"{side} saw   own address: {seen.mapped}; data from: {seen.source}")
    for fault in report.faults:
        typer.echo(f"callveil: {fault}", err=True)
