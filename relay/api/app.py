"""The HTTP API as one ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from relay import __version__
from relay.api import problems, viewer
from relay.api.guard import Guard
from relay.api.relay import ControlSettings, Relay
from relay.api.requirements import look_up
from relay.api.routes import calls, operations, permission, signaling, users
from relay.api.vendors import cloudflare, turn_rest, twilio
from relay.api.vendors.minting import MintRate


def make_app(relay: Relay, settings: ControlSettings) -> FastAPI:
    """Make the application.

    Args:
        relay: the daemon; its methods are called in the loop that serves the application.
        settings: read at every request.
    """
    app = FastAPI(
        title="callveil",
        version=__version__,
        summary="A media relay for private calls: no party ever sees another party's IP address.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.relay = relay
    app.state.settings = settings
    app.state.mint_rate = MintRate()
    app.include_router(calls.router)
    app.include_router(signaling.router)
    app.include_router(users.router)
    app.include_router(permission.router)
    app.include_router(turn_rest.router)
    app.include_router(cloudflare.router)
    app.include_router(twilio.router)
    app.include_router(operations.router)
    app.include_router(viewer.make_router())
    problems.install(app, lambda path: look_up(path)[0].dialect.fault)
    app.add_middleware(Guard, settings=settings)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI documents it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what FastAPI cannot express: the first line of a handler's
    docstring is the summary, and every fault is problem+json.
    """
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        for path in document["paths"].values():
            for operation in path.values():
                _split_summary(operation)
                for status, response in operation["responses"].items():
                    if int(status) >= 400:
                        _as_problem(response)
        app.openapi_schema = document
    return app.openapi_schema


def _split_summary(operation: dict[str, Any]) -> None:
    operation["summary"], _, rest = operation.pop("description").partition("\n\n")
    if rest:
        operation["description"] = rest


def _as_problem(response: dict[str, Any]) -> None:
    ours = {"$ref": "#/components/schemas/Problem"}
    if response["content"]["application/json"]["schema"] == ours:  # a vendor has its own form
        response["content"] = {problems.MEDIA_TYPE: {"schema": ours}}
