"""What handlers have in common: the relay, how an answer is written, how faults are described."""

from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from relay.api.problems import KINDS
from relay.api.relay import ControlSettings, Relay
from relay.api.schemas.problem import Problem

BEARER = Security(HTTPBearer(auto_error=False, description="One of `api.tokens`."))
"""For the OpenAPI document only: `guard.py` is what checks."""


async def _relay(request: Request) -> Relay:
    return cast(Relay, request.app.state.relay)


async def _settings(request: Request) -> ControlSettings:
    return cast(ControlSettings, request.app.state.settings)


Daemon = Annotated[Relay, Depends(_relay)]
Settings = Annotated[ControlSettings, Depends(_settings)]


def json(body: BaseModel, status: int = 200) -> Response:
    """JSON response, written in one step: FastAPI would validate the body again first."""
    return Response(body.model_dump_json(), status, media_type="application/json")


def json_without_none(body: BaseModel, status: int = 200) -> Response:
    """JSON response without null fields."""
    text = body.model_dump_json(exclude_none=True)
    return Response(text, status, media_type="application/json")


def faults(
    *kinds: str, needs_token: bool = True, model: type[BaseModel] = Problem
) -> dict[int | str, dict[str, Any]]:
    """The faults of a route, for the OpenAPI document."""
    titles: dict[int, list[str]] = {}
    for kind in (*(["unauthenticated"] if needs_token else []), *kinds):
        status, title = KINDS[kind]
        titles.setdefault(status, []).append(f"{title}.")
    return {
        status: {"model": model, "description": " ".join(said)} for status, said in titles.items()
    }
