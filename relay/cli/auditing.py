"""`callveil audit`: which files are whose, and how the report reads."""

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import Json

if TYPE_CHECKING:
    from relay.tools.audit.spellings import IP

INCOMPLETE = 3
"""Exit code: nothing was found, and not everything was searched."""


def audit(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE…",
            help="Captures (pcap, pcapng) and session descriptions (SDP, or JSON with SDP in it) "
            "of what a party could see. The name up to the first dot, or the directory, is the "
            "party's; with .sent. in the name it is a description that the party wrote itself.",
            show_default=False,
        ),
    ] = None,
    party: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE[,FILE]", help="A party's files, whatever their names."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ADDRESS[,ADDRESS]",
            help="A party's addresses, besides those that its own captures and descriptions show "
            "to be its own.",
        ),
    ] = None,
    show_addresses: Annotated[
        bool,
        typer.Option("--show-addresses", help="Print the addresses and certificate names found."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Report every party's address that shows in what another party could see.

    Addresses are looked for in every encoding: text, binary, XORed as STUN does, base64, hashed.
    Exit 1 if one shows; 0 if none does and everything was searched; 3 if none does, but something
    was not searched or not looked for; 2 if a file cannot be read or nothing can be looked for.
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
    """`name=a,b` as (name, a), (name, b)."""
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
