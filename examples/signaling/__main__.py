"""Run the signaling server on its own: `python -m examples.signaling --help`.

The token of callveil's API, where it asks for one, is CALLVEIL_API_TOKEN in the environment.
"""

import os
from typing import Annotated

import typer
import uvicorn

from examples.signaling.app import make_app
from examples.signaling.calls import RING_S
from examples.signaling.callveil import Callveil
from examples.signaling.messages import MAX_BYTES
from relay.daemon.privileges import set_core_dumps


def main(
    api: Annotated[str, typer.Option(help="callveil's HTTP API")] = "http://127.0.0.1:8080",
    host: Annotated[str, typer.Option(help="where the page is served")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8081,
    name: Annotated[
        list[str] | None, typer.Option(help="a host name under which it is found")
    ] = None,
    ring_s: Annotated[float, typer.Option(min=0.1, help="seconds that a call may ring")] = RING_S,
) -> None:
    """Serve the demo page and its signaling.

    Browsers give camera and microphone to pages of localhost and of https:// addresses only.
    """
    set_core_dumps(False)
    app = make_app(Callveil(api, os.environ.get("CALLVEIL_API_TOKEN", "")), ring_s, name or ())
    uvicorn.run(
        app, host=host, port=port, ws="websockets-sansio", ws_max_size=MAX_BYTES, access_log=False
    )


if __name__ == "__main__":
    typer.run(main)
