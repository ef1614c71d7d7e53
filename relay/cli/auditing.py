"""`callveil audit`: reads the arguments, and prints the report."""

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import Json

if TYPE_CHECKING:
    from relay.tools.audit.spellings import IP

INCOMPLETE = 3
"""Exit code: the audit found no address, but could not search everything."""


def audit(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE…",
            help="Captures (pcap, pcapng) and session descriptions (SDP, or JSON with SDP in it) "
            "of what a party could see. The file's name up to the first dot, or its directory, "
            "names the party. A file with .sent. in its name holds session descriptions that the "
            "party wrote.",
            show_default=False,
        ),
    ] = None,
    party: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE[,FILE]",
            help="These files are this party's, whatever their names are.",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ADDRESS[,ADDRESS]",
            help="These addresses are this party's, besides those that its own captures and "
            "session descriptions show.",
        ),
    ] = None,
    show_addresses: Annotated[
        bool,
        typer.Option(
            "--show-addresses",
            help="Print the addresses and the certificate names that were found.",
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Search what each party of a call could see for the addresses of the other parties.

    The search knows every encoding: text, binary, XORed as in STUN, base64, hashed. Exit 0: no
    address was found and everything was searched. Exit 1: an address was found. Exit 2: a file
    cannot be read, or no address is known to search for. Exit 3: no address was found, but not
    everything could be searched.
    """
    from relay.tools.audit import Verdict, assign  # noqa: PLC0415
    from relay.tools.audit import audit as run  # noqa: PLC0415

    named = [(name, Path(path)) for name, path in _pairs("--party", party)]
    secrets: dict[str, list[IP]] = {}
    for name, text in _pairs("--secret", secret):
        secrets.setdefault(name, []).append(_address(text))
    report = run(assign(files or [], named), secrets)
    if as_json:
        typer.echo(json.dumps(report.as_document(is_shown=show_addresses), indent=2))
    else:
        typer.echo("\n".join(report.lines(is_shown=show_addresses)))
    return {Verdict.CLEAN: 0, Verdict.LEAK: 1, Verdict.INCOMPLETE: INCOMPLETE}[report.verdict]


def _pairs(option: str, given: list[str] | None) -> list[tuple[str, str]]:
    """Split `NAME=a,b` into (NAME, a) and (NAME, b)."""
    pairs = []
    for text in given or []:
        name, _, values = text.partition("=")
        if not name or not all(values.split(",")):
            raise typer.BadParameter(f"{option}: expected NAME=VALUE[,VALUE]")
        pairs += [(name, value) for value in values.split(",")]
    return pairs


def _address(text: str) -> "IP":
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise typer.BadParameter("--secret: expected numeric IP addresses") from None
