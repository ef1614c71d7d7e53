"""The commands' way to the HTTP API: whom they ask, and what to check after a fault."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from relay.client import ApiFault, BadAnswer, Client, NoAnswer
from relay.config import ApiListen, Settings
from relay.errors import CommandError, ConfigError


@contextmanager
def connected(url: str | None, settings: Settings) -> Iterator[Client]:
    """Make a client for the API that the user named, or else for that of the configuration.

    The token is CALLVEIL_API_TOKEN, or else the first of `api.tokens`. A token of the configuration
    is used for the address of the configuration only, so that no other host learns it.

    Raises: ConfigError, where `url` or the token cannot be one; CommandError, where the API does
        not answer or refuses.
    """
    with _client(url, settings) as client:
        try:
            yield client
        except ApiFault as fault:
            raise CommandError(_refusal(fault)) from None
        except NoAnswer as fault:  # the URL may be shown: the user wrote it
            raise CommandError(
                f"no answer from {client.url}: {fault.reason}; check that callveil serve runs there"
            ) from None
        except BadAnswer as fault:
            raise CommandError(
                f"the answer {fault.reason}; check that --api names a callveil"
            ) from None


def _client(url: str | None, settings: Settings) -> Client:
    token = os.environ.get("CALLVEIL_API_TOKEN", "")
    if url is None and not token and settings.api.tokens:
        token = settings.api.tokens[0].get_secret_value()
    try:
        return Client(f"http://{_reachable(settings.api.listen)}" if url is None else url, token)
    except ValueError as error:
        if str(error).startswith("token"):
            raise ConfigError("CALLVEIL_API_TOKEN: expected printable ASCII") from None
        raise ConfigError(f"--api: {url!r}: expected http://host:port") from None


def _refusal(fault: ApiFault) -> str:
    """Say why the API refused: the problem's words, or the status alone."""
    if fault.status == HTTPStatus.UNAUTHORIZED:
        return (
            "the API refused the token (401); put one of api.tokens into CALLVEIL_API_TOKEN, "
            "or name the daemon's configuration with --config"
        )
    words = fault.detail or fault.title or _phrase(fault.status)
    return f"the API refused ({fault.status}): {words}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "a status that HTTP does not have"


def _reachable(listen: ApiListen) -> str:
    """Name host and port to connect to; for an API on every address, those of loopback."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104
    return str(ApiListen(local, listen.port))
