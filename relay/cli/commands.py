"""Commands that need no running daemon, and `serve`, which is the daemon.

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
from relay.cli import auditing, importing, probing
from relay.cli.options import Config, Json

MAX_USERNAME_BYTES = 508
"""RFC 8489 section 14.3."""


class Level(StrEnum):
    """The least severe level that is logged."""

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
    app.command("audit", short_help="Search captures for addresses.")(auditing.audit)
    app.command("import-coturn", short_help="Take over coturn's configuration.")(
        importing.import_coturn
    )


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"callveil {__version__}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A media relay for private calls: neither party ever sees the other's address."""


def serve(
    config: Config = None,
    log_level: Annotated[
        Level,
        typer.Option(help="Log this level and above, on stderr. No line holds a client's address."),
    ] = Level.INFO,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Print every line on stderr as a JSON object.")
    ] = False,
) -> int:
    """Run the relay in the foreground.

    When the relay accepts traffic, it prints "ready" and its addresses on stderr. SIGTERM drains
    it: it takes no new calls, and exits when no call rings and no client holds an allocation. A
    second SIGTERM stops it at once, and so does Ctrl-C. SIGHUP makes it read the configuration and
    the certificates again.
    """
    from relay import logs  # noqa: PLC0415
    from relay.config import cautions, load, look_at_certificate  # noqa: PLC0415
    from relay.daemon import run as daemon  # noqa: PLC0415

    logs.configure(log_level, as_json=log_json)
    settings = load(config, os.environ)
    logs.configure(log_level, as_json=log_json, own=[listen.url for listen in settings.listen])
    # Clients over UDP and TCP do not care about the certificate, so a bad one is no reason to stop.
    found = look_at_certificate(settings, time.time())
    _print_cautions([*cautions(settings), *found.faults, *found.cautions])
    return daemon.run(settings.with_secret(os.urandom), config)


def check_config(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Check a configuration: print "ok", or one line per fault and exit 2.

    A line names the key, its value and what callveil expects. CALLVEIL__ variables count as they
    do for serve. The command also checks users, interfaces and the certificate on this host. A line
    that begins with "caution" names something that works but deserves a look.
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
    call: Annotated[
        str, typer.Option(metavar="ID", help="Id of the call: the same for all its parties.")
    ],
    leg: Annotated[
        str, typer.Option(metavar="ID", help="Id of the party's leg: another for each party.")
    ],
    ttl: Annotated[
        int | None,
        typer.Option(
            metavar="S",
            min=1,
            help="For how many seconds the credential may be used.  [default: auth.ttl_s, 3600]",
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the username and password of a leg, made with the first secret in auth.secrets.

    A signaling server that holds the secret makes the same credential itself. Others on the network
    can read both ids: use random ones, not the names of users.
    """
    from relay.calls.credentials import mint  # noqa: PLC0415
    from relay.calls.ended import CALL_NAME  # noqa: PLC0415
    from relay.config import load  # noqa: PLC0415
    from relay.errors import ConfigError  # noqa: PLC0415

    if not CALL_NAME.fullmatch(call):
        raise typer.BadParameter("--call: expected letters, digits and ._~+/=- alone")
    _check_leg(leg)
    settings = load(config, os.environ)
    if not settings.auth.secrets:
        raise ConfigError("auth.secrets: []: expected the secret that the daemon has too")
    secret = settings.auth.secrets[0].get_secret_value()
    ttl_s = settings.auth.ttl_s if ttl is None else ttl
    minted = mint(secret, call, leg, int(time.time()) + ttl_s)
    if len(minted.username.encode()) > MAX_USERNAME_BYTES:
        raise typer.BadParameter(
            f"--call and --leg: the username would be over {MAX_USERNAME_BYTES} bytes; "
            "use shorter ids"
        )
    if as_json:
        typer.echo(json.dumps({**minted._asdict(), "ttl_s": ttl_s}))
    else:
        typer.echo(f"username {minted.username}\npassword {minted.password}")


def _check_leg(leg: str) -> None:
    """Refuse an id that a username cannot hold.

    A colon separates the parts of a username, and clients spell what is not ASCII differently.
    """
    if not leg or not leg.isascii() or not leg.isprintable() or set(leg) & set(": "):
        raise typer.BadParameter("--leg: expected printable ASCII without colon or space")


def _print_cautions(sentences: list[str]) -> None:
    from relay import logs  # noqa: PLC0415

    for sentence in sentences:
        logs.say("caution", f"callveil: caution: {sentence}", "warning", caution=sentence)
