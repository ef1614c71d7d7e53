"""A client of callveil's own HTTP API, for the command line.

Rules of this file: the token goes to the address that was named and nowhere else, so no redirect is
followed and no proxy asked; whatever goes wrong is a CommandError that says what to check.
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
    """One relay's API.

    Args:
        url: `http://host:port`; https too, behind a proxy that terminates it.
        token: for the Authorization header; empty where the API asks for none.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send one request.

        Returns: the JSON document of the answer, the text where it is another type, None where it
            is empty.
        Raises:
            CommandError: no answer, or one that refuses.
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
        """Why nobody answered; the URL is the user's own."""
        reason = getattr(error, "reason", error)
        words = getattr(reason, "strerror", None) or type(reason).__name__
        return f"no answer from {self.url}: {words}; check that callveil serve runs there"


def _document(content: bytes, kind: str) -> Any:
    if not content:
        return None
    try:
        return json.loads(content) if kind.endswith("json") else content.decode()
    except ValueError:
        raise CommandError("the answer is not JSON; check that --api is a callveil") from None


def _refusal(error: urllib.error.HTTPError) -> str:
    """The problem's detail (RFC 9457), or the status alone."""
    if error.code == 401:
        return (
            "the API refused the token (401); put one of api.tokens "
            "into CALLVEIL_API_TOKEN or give the daemon's --config"
        )
    try:
        problem = json.loads(error.read(1 << 16))
        words = problem.get("detail") or problem.get("title") or error.reason
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        words = error.reason
    return f"the API refused ({error.code}): {words}"


def connect(url: str | None, settings: Settings) -> Api:
    """The API that the user named, or else the configuration's.

    The token is CALLVEIL_API_TOKEN, or else the configuration's first: that one only for the
    configuration's own address, so that it is not told to another host.

    Raises:
        ConfigError: `url` is none.
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
    """Where to ask an API that listens on every address: on this host."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104
    return str(ApiListen(local, listen.port))
