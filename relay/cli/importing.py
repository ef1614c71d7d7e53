"""`callveil import-coturn`: reads the file, and writes the configuration or prints it."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from relay.errors import ConfigError

_SOMEWHERE = (
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)
"""Addresses for documentation (RFC 5737, RFC 3849), which everything outside is as far as."""


def import_coturn(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The configuration of coturn: turnserver.conf.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the configuration to this new file, which only you can read.  "
            "[default: print it]",
        ),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PUBLIC[/LOCAL]",
            help="The relay's IP address, in place of FILE's of the same family; once per family."
            "  [default: what FILE says, or else this host's]",
        ),
    ] = None,
) -> None:
    """Turn a configuration of coturn's into one of callveil's.

    Each line on stderr names an option that is not carried over, and says why, or something that is
    otherwise than with coturn; the configuration has the same lines as comments. It holds the
    secrets of FILE. Exit 0: callveil can start with it. Exit 2: it cannot, the lines say why, and
    nothing is written.
    """
    from relay import logs  # noqa: PLC0415
    from relay.config import RelayAddress, cautions, parse  # noqa: PLC0415
    from relay.config.document import MAX_BYTES as MAX_CONFIGURATION  # noqa: PLC0415
    from relay.config.document import read  # noqa: PLC0415
    from relay.tools.coturn import MAX_BYTES, Host, convert, written  # noqa: PLC0415

    for each in address or []:
        try:
            RelayAddress.parse(each)
        except ValueError as error:
            raise typer.BadParameter(f"--address: {each!r}: {error}") from None
    host = Host(str(file.absolute().parent), tuple(address or ()), _own_addresses(), _pair_fault)
    content = read(file, MAX_BYTES, "a turnserver.conf of at most 1 MiB")
    imported = convert(content, host)
    if "relay" in imported.document and not imported.document["relay"]["addresses"]:
        raise ConfigError("relay.addresses: no address is known: give --address PUBLIC[/LOCAL]")
    text = written(imported)
    if len(text.encode()) > MAX_CONFIGURATION:
        raise ConfigError(f"{str(file)!r}: the configuration would have more than 64 KiB")
    settings = parse(text.encode(), {})
    for said in (*map(str, imported.notes), *cautions(settings)):
        logs.say("caution", f"callveil: caution: {said}", "warning", caution=said)
    if output is None:
        typer.echo(text.encode(), nl=False)
    else:
        _write(output, text)


def _write(path: Path, text: str) -> None:
    """Write a new file for its owner alone. Raises: ConfigError, also where there is one."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode())
    except FileExistsError:
        raise ConfigError(f"--output: {str(path)!r}: expected a name that no file has") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise ConfigError(f"--output: {str(path)!r}: cannot be written: {reason}") from None


def _own_addresses() -> tuple[str, ...]:
    """The address of each family from which this host reaches others. No packet is sent."""
    found = []
    for family, somewhere in _SOMEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((somewhere, 9))
                found.append(str(sock.getsockname()[0]))
        except OSError:
            continue
    return tuple(found)


def _pair_fault(certificate: str, key: str) -> str:
    """What is wrong with a certificate and its key; empty for nothing."""
    from relay.config import context_of, read_pair  # noqa: PLC0415
    from relay.config.settings import TlsSettings  # noqa: PLC0415

    tls = TlsSettings(certificate=certificate, key=key)
    try:
        context_of(tls, read_pair(tls))
    except ConfigError as error:
        return "; ".join(error.faults)
    return ""
