"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file.  [default: none, defaults and CALLVEIL__ variables alone]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Api = Annotated[
    str | None,
    typer.Option(
        "--api",
        metavar="URL",
        help="The HTTP API.  [default: api.listen of the configuration, http://127.0.0.1:8080]",
    ),
]
