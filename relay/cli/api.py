"""A client of callveil's HTTP API, for the command line.

Rules of this file: the token is sent to the address that the user named and nowhere else, so the
client follows no redirect and uses no proxy. Every failure is a CommandError that says what to
check.
"""

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from relay.config import ApiListen, Settings
from relay.errors import CommandError, ConfigError

TIMEOUT_S = 10
MAX_ANSWER_BYTES = 1 << 26
"""64 MiB: a list of some hundred thousand calls."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Api:
    """The API of one relay.

    Args:
        url: `http://host:port`, or `https://…` where a proxy in front of the API does TLS.
        token: for the Authorization header; empty where the API has no tokens.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send one request and read its answer.

        Returns: the parsed JSON document; the text of an answer of another type; None for an empty
            answer.
        Raises: CommandError, where the API does not answer or refuses. Nothing else.
        """
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310  checked
        request.add_header("Accept", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                content, kind = answer.read(MAX_ANSWER_BYTES), answer.headers.get_content_type()
        except urllib.error.HTTPError as error:
            raise CommandError(_refusal(error)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CommandError(self._silence(error)) from None
        return _document(content, kind)

    def _silence(self, error: Exception) -> str:
        """Say why there was no answer. The URL may be shown: the user wrote it."""
        reason = getattr(error, "reason", error)
        words = getattr(reason, "strerror", None) or type(reason).__name__
        return f"no answer from {self.url}: {words}; check that callveil serve runs there"


def _document(content: bytes, kind: str) -> Any:
    if not content:
        return None
    try:
        return json.loads(content) if kind.endswith("json") else content.decode()
    except ValueError:
        raise CommandError("the answer is not JSON; check that --api names a callveil") from None


def _refusal(error: urllib.error.HTTPError) -> str:
    """Say why the API refused: the problem's detail (RFC 9457), or the status alone."""
    if error.code == 401:
        return (
            "the API refused the token (401); put one of api.tokens into CALLVEIL_API_TOKEN, "
            "or name the daemon's configuration with --config"
        )
    try:
        problem = json.loads(error.read(1 << 16))
        words = problem.get("detail") or problem.get("title") or error.reason
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        words = error.reason
    return f"the API refused ({error.code}): {words}"


def connect(url: str | None, settings: Settings) -> Api:
    """Make a client for the API that the user named, or else for that of the configuration.

    The token is CALLVEIL_API_TOKEN, or else the first of `api.tokens`. A token of the configuration
    is used for the address of the configuration only, so that no other host learns it.

    Raises: ConfigError, where `url` is not a URL of an API. Nothing else.
    """
    token = os.environ.get("CALLVEIL_API_TOKEN", "")
    if url is None:
        tokens = settings.api.tokens
        token = token or (tokens[0].get_secret_value() if tokens else "")
        return Api(f"http://{_reachable(settings.api.listen)}", token)
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"--api: {url!r}: expected http://host:port")
    if not token.isascii() or not token.isprintable():
        raise ConfigError("CALLVEIL_API_TOKEN: expected printable ASCII")
    return Api(url, token)


def _reachable(listen: ApiListen) -> str:
    """Name host and port to connect to; for an API on every address, those of loopback."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104
    return str(ApiListen(local, listen.port))
