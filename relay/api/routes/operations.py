"""Probes, metrics, and what an operator asks of the daemon."""

from fastapi import APIRouter, Response, status

from relay.api.configuration import told
from relay.api.dependencies import BEARER, Daemon, faults
from relay.api.relay import Status
from relay.api.schemas.operations import Health
from relay.errors import CallError, ConfigError
from relay.metrics import CONTENT_TYPE

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def get_health() -> Health:
    """The daemon answers."""
    return Health(status="ok")


@router.get("/readyz", responses=faults("not_ready", needs_token=False))
async def get_readiness(relay: Daemon) -> Health:
    """The daemon takes new calls."""
    if relay.is_draining or not relay.is_ready:
        raise CallError("not_ready", "No new calls begin on this relay.")
    return Health(status="ready")


@router.get("/metrics", response_class=Response)
async def get_metrics(relay: Daemon) -> Response:
    """One scrape, in the text format of Prometheus."""
    return Response(relay.metrics(), media_type=CONTENT_TYPE)


@router.get("/v1/status", responses=faults(), dependencies=[BEARER])
async def get_status(relay: Daemon) -> Status:
    """How the daemon is."""
    return relay.status()


@router.post(
    "/v1/drain",
    status_code=status.HTTP_202_ACCEPTED,
    responses=faults(),
    dependencies=[BEARER],
)
async def drain(relay: Daemon) -> Status:
    """Begin no new calls; those that run go on."""
    relay.drain()
    return relay.status()


@router.post("/v1/reload", responses=faults("bad_configuration"), dependencies=[BEARER])
async def reload(relay: Daemon) -> Status:
    """Read configuration and certificates again; with a fault in them nothing changes."""
    try:
        relay.reload()
    except ConfigError as error:
        raise CallError("bad_configuration", told(error.faults)) from None
    return relay.status()
