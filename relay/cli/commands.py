"""Commands that need no running daemon, and the one that is it.

Imports that take time stand in the functions: `callveil --help` is asked for often.
"""

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from relay import __version__
from relay.cli import auditing, probing
from relay.cli.options import Config, Json

MAX_USERNAME_BYTES = 508
"""RFC 8489 section 14.3."""


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.callback()(_options)
    app.command("serve", short_help="Run the relay in the foreground.")(serve)
    app.command("check-config", short_help="Check a configuration file.")(check_config)
    app.command("credential", short_help="Make a username and password.")(credential)
    app.command("probe", short_help="Test a running relay from outside.")(probing.probe)
    app.command("audit", short_help="Look for addresses in captures.")(auditing.audit)


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"callveil {__version__}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A media relay for private calls: neither party ever sees the other's address."""


def serve(
    config: Config = None,
    log_level: Annotated[
        Level, typer.Option(help="What is logged, on stderr, never with an address.")
    ] = Level.INFO,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log as JSON lines.")] = False,
) -> int:
    """Run the relay in the foreground.

    Prints "ready" with its addresses on stderr when it accepts traffic; with --log-json all that it
    says is JSON, that and every fault too, one object a line. SIGTERM drains: no new
    calls, running ones go on; a second one stops. SIGHUP reads configuration and certificates
    again. Ctrl-C stops.
    """
    from relay import logs  # noqa: PLC0415
    from relay.config import cautions, load, look_at_certificate  # noqa: PLC0415
    from relay.daemon import run as daemon  # noqa: PLC0415

    logs.configure(log_level, as_json=log_json)
    settings = load(config, os.environ)
    logs.configure(log_level, as_json=log_json, own=[listen.url for listen in settings.listen])
    # Whoever comes over UDP or TCP can be served whatever the certificate is like.
    found = look_at_certificate(settings, time.time())
    _print_cautions([*cautions(settings), *found.faults, *found.cautions])
    return daemon.run(settings.with_secret(os.urandom), config)


def check_config(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Check a configuration: "ok" and exit 0, or exit 2 with one line per fault.

    A line names the key, its value and what is expected. CALLVEIL__ variables count, as they do
    for serve. Users, interfaces and the certificate are looked for on this host, now. What works
    and is worth a look is a line that begins with "caution".
    """
    from relay.config import cautions, load, look_at_certificate, look_at_host  # noqa: PLC0415
    from relay.errors import ConfigError  # noqa: PLC0415

    settings = load(file, os.environ)
    found = [look_at_host(settings), look_at_certificate(settings, time.time())]
    _print_cautions([*cautions(settings), *(line for each in found for line in each.cautions)])
    if faults := [line for each in found for line in each.faults]:
        raise ConfigError(*faults)
    typer.echo("ok")


def credential(
    call: Annotated[str, typer.Option(metavar="ID", help="The call, the same for its parties.")],
    leg: Annotated[str, typer.Option(metavar="ID", help="The party's place in the call.")],
    ttl: Annotated[
        int | None,
        typer.Option(
            metavar="S", min=1, help="Seconds it may be used.  [default: auth.ttl_s, 3600]"
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print a username and password made from the first configured secret.

    What a signaling server that holds the secret makes itself. Both ids can be read on the wire:
    use random ones, not names of users.
    """
    from relay.calls.credentials import mint  # noqa: PLC0415
    from relay.config import load  # noqa: PLC0415
    from relay.errors import ConfigError  # noqa: PLC0415

    _check_id("--call", call)
    _check_id("--leg", leg)
    settings = load(config, os.environ)
    if not settings.auth.secrets:
        raise ConfigError("auth.secrets: []: expected the secret that the daemon has too")
    secret = settings.auth.secrets[0].get_secret_value()
    ttl_s = settings.auth.ttl_s if ttl is None else ttl
    minted = mint(secret, call, leg, int(time.time()) + ttl_s)
    if len(minted.username.encode()) > MAX_USERNAME_BYTES:
        raise typer.BadParameter(f"the username would be over {MAX_USERNAME_BYTES} bytes")
    if as_json:
        typer.echo(json.dumps({**minted._asdict(), "ttl_s": ttl_s}))
    else:
        typer.echo(f"username {minted.username}\npassword {minted.password}")


def _check_id(option: str, text: str) -> None:
    """A colon separates the parts of a username; what is not ASCII, clients spell differently."""
    if not text or not text.isascii() or not text.isprintable() or set(text) & set(": "):
        raise typer.BadParameter(f"{option}: expected printable ASCII without colon and space")


def _print_cautions(sentences: list[str]) -> None:
    from relay import logs  # noqa: PLC0415

    for sentence in sentences:
        logs.say("caution", f"callveil: caution: {sentence}", "warning", caution=sentence)
