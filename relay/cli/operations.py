"""Commands that control a running daemon through its HTTP API."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relay.cli.options import Api, Config, Json

if TYPE_CHECKING:
    from relay.client import Client
    from relay.client.bodies import Call


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    calls = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    calls.callback()(list_calls)
    calls.command("end")(end_call)
    app.add_typer(
        calls,
        name="calls",
        help="List the calls that ring or are active, or end one: calls end ID.",
        short_help="List the calls, or end one.",
    )
    app.command("status", short_help="Print the state of the relay.")(status)
    app.command("drain", short_help="Take no new calls.")(drain)
    app.command("reload", short_help="Read the configuration again.")(reload)


@contextmanager
def _api(url: str | None, config: Any) -> "Iterator[Client]":
    from relay.cli.api import connected  # noqa: PLC0415
    from relay.config import load  # noqa: PLC0415

    with connected(url, load(config, os.environ)) as client:
        yield client


def list_calls(
    context: typer.Context, api: Api = None, config: Config = None, as_json: Json = False
) -> None:
    """List the calls: id, state, whether relayed, how many parties are connected, and expiry."""
    if context.invoked_subcommand is not None:
        context.obj = (api, config)
        return
    with _api(api, config) as client:
        listed = [*client.list_calls()]
    if as_json:
        typer.echo(json.dumps({"calls": listed}))
        return
    rows = [_row(call) for call in listed]
    if not rows:
        typer.echo("no calls")
        return
    head = ("CALL", "STATE", "RELAYED", "CONNECTED", "EXPIRES")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _row(call: "Call") -> tuple[str, ...]:
    parties = call["parties"].values()
    connected = sum(party["connected"] for party in parties)
    relayed = "yes" if call["relayed"] else "no"
    return call["id"], call["state"], relayed, f"{connected}/{len(parties)}", call["expires_at"]


def end_call(
    context: typer.Context,
    call: Annotated[str, typer.Argument(metavar="ID")],
    api: Api = None,
    config: Config = None,
) -> None:
    """End a call: each of its legs is silent within one second.

    Write -- before an ID that begins with a hyphen.
    """
    before = context.obj or (None, None)  # options may stand before "end" too
    with _api(api or before[0], config or before[1]) as client:
        client.end_call(call)
    typer.echo(f"ended {call}")


def status(api: Api = None, config: Config = None, as_json: Json = False) -> None:
    """Print whether the relay takes new calls, and how many calls it has."""
    with _api(api, config) as client:
        answer = client.status()
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for name, value in answer.items():
        typer.echo(f"{name:<12} {_words(value)}")


def _words(value: Any) -> str:
    """Write one value of the status for a person to read."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def drain(api: Api = None, config: Config = None) -> None:
    """Make the relay take no new calls. Running calls go on."""
    with _api(api, config) as client:
        client.drain()
    typer.echo("draining")


def reload(api: Api = None, config: Config = None) -> None:
    """Make the relay read its configuration and certificates again."""
    with _api(api, config) as client:
        client.reload()
    typer.echo("reloaded")
