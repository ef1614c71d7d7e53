"""Probes, metrics, and what an operator asks of the daemon."""

from fastapi import APIRouter, Response, status

from relay import __version__
from relay.api.configuration import told
from relay.api.dependencies import BEARER, Daemon, faults, json
from relay.api.relay import Relay
from relay.api.schemas.operations import Health, StatusView
from relay.errors import CallError, ConfigError
from relay.metrics import CONTENT_TYPE

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_model=Health)
async def get_health() -> Response:
    """The daemon answers."""
    return json(Health(status="ok"))


@router.get("/readyz", response_model=Health, responses=faults("not_ready", needs_token=False))
async def get_readiness(relay: Daemon) -> Response:
    """The daemon takes new calls."""
    if relay.is_draining or not relay.is_ready:
        raise CallError("not_ready", "No new calls begin on this relay.")
    return json(Health(status="ready"))


@router.get("/metrics", response_class=Response)
async def get_metrics(relay: Daemon) -> Response:
    """One scrape, in the text format of Prometheus."""
    return Response(relay.metrics(), media_type=CONTENT_TYPE)


@router.get("/v1/status", response_model=StatusView, responses=faults(), dependencies=[BEARER])
async def get_status(relay: Daemon) -> Response:
    """How the daemon is."""
    return json(_status(relay))


@router.post(
    "/v1/drain",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=StatusView,
    responses=faults(),
    dependencies=[BEARER],
)
async def drain(relay: Daemon) -> Response:
    """Begin no new calls; those that run go on."""
    relay.drain()
    return json(_status(relay), status=202)


@router.post(
    "/v1/reload",
    response_model=StatusView,
    responses=faults("bad_configuration"),
    dependencies=[BEARER],
)
async def reload(relay: Daemon) -> Response:
    """Read configuration and certificates again; with a fault in them nothing changes."""
    try:
        relay.reload()
    except ConfigError as error:
        raise CallError("bad_configuration", told(error.faults)) from None
    return json(_status(relay))


def _status(relay: Relay) -> StatusView:
    calls = {state.value: count for state, count in relay.registry.counts().items()}
    return StatusView.of(__version__, relay.status(), calls)
