"""Probes, metrics, and what an operator asks of the daemon."""

from fastapi import APIRouter, Response, status

from relay.api.configuration import describe_faults
from relay.api.dependencies import BEARER, Daemon, faults
from relay.api.relay import Status
from relay.api.schemas.operations import Health
from relay.errors import CallError, ConfigError
from relay.metrics import CONTENT_TYPE

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def get_health() -> Health:
    """Check that the relay answers."""
    return Health(status="ok")


@router.get("/readyz", responses=faults("not_ready", needs_token=False))
async def get_readiness(relay: Daemon) -> Health:
    """Check that the relay takes new calls."""
    if relay.is_draining or not relay.is_ready:
        raise CallError("not_ready", "The relay is starting or draining. Use another one.")
    return Health(status="ready")


@router.get("/metrics", response_class=Response)
async def get_metrics(relay: Daemon) -> Response:
    """Get the metrics in the text format of Prometheus."""
    return Response(relay.metrics(), media_type=CONTENT_TYPE)


@router.get("/v1/status", responses=faults(), dependencies=[BEARER])
async def get_status(relay: Daemon) -> Status:
    """Get the state of the relay."""
    return relay.status()


@router.post(
    "/v1/drain",
    status_code=status.HTTP_202_ACCEPTED,
    responses=faults(),
    dependencies=[BEARER],
)
async def drain(relay: Daemon) -> Status:
    """Take no new calls. The calls that run go on."""
    relay.drain()
    return relay.status()


@router.post("/v1/reload", responses=faults("bad_configuration"), dependencies=[BEARER])
async def reload(relay: Daemon) -> Status:
    """Read the configuration and the certificates again.

    If the configuration has faults, nothing changes, and the answer names each fault by its key and
    what is expected there, never by its value.
    """
    try:
        relay.reload()
    except ConfigError as error:
        raise CallError("bad_configuration", describe_faults(error.faults)) from None
    return relay.status()
