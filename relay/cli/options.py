"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read this configuration file.  [default: none, only CALLVEIL__ variables]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Api = Annotated[
    str | None,
    typer.Option(
        "--api",
        metavar="URL",
        help="URL of the HTTP API.  [default: api.listen of the configuration, "
        "http://127.0.0.1:8080]",
    ),
]
