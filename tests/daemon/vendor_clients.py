"""Clients of other vendors' services from PyPI, pointed at a daemon.

Rules of this file: their own code writes each request and reads each answer. Their addresses are
fixed, so what carries their requests is changed; there an identifier is added too, for which they
have no argument.
"""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

from tests.kit.api import TOKEN
from tests.kit.daemon import Daemon
from tests.kit.requirements import insist

ACCOUNT = "AC0123456789abcdef0123456789abcdef"


def _moved(url: str, api: str) -> str:
    """The same at a daemon."""
    return api + urlsplit(url).path


class TwilioTransport(TwilioHttpClient):  # type: ignore[misc]  # it is not typed
    """Twilio's own, to a daemon."""

    def __init__(self, daemon: Daemon, identifier: str = "") -> None:
        super().__init__()
        self._api = daemon.api
        self._added = {"CustomIdentifier": identifier} if identifier else {}

    def request(
        self, method: str, url: str, params: Any = None, data: Any = None, **more: Any
    ) -> Response:
        return super().request(
            method, _moved(url, self._api), params, {**(data or {}), **self._added}, **more
        )

    def close(self) -> None:
        """Close its connections."""
        self.session.close()


def fastrtc_credentials(daemon: Daemon, identifier: str = "") -> Any:
    """FastRTC's `credentials.py`, without the rest of it; its requests go to a daemon."""
    package = find_spec("fastrtc")
    insist("FastRTC", "" if package else "make setup, or pip install --no-deps fastrtc")
    assert package is not None
    assert package.origin is not None
    spec = spec_from_file_location("credentials", Path(package.origin).parent / "credentials.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    added = {"customIdentifier": identifier} if identifier else {}

    def post(url: str, headers: dict[str, str], json: dict[str, Any]) -> httpx.Response:
        return httpx.post(_moved(url, daemon.api), headers=headers, json={**json, **added})

    module.httpx = SimpleNamespace(post=post)  # type: ignore[attr-defined]  # in place of the package
    return module


def cloudflare_of_fastrtc(daemon: Daemon, identifier: str = "", ttl: int = 600) -> Any:
    """What FastRTC passes on to `RTCPeerConnection`."""
    ask = fastrtc_credentials(daemon, identifier).get_cloudflare_turn_credentials
    return ask(turn_key_id="any", turn_key_api_token=TOKEN, ttl=ttl)
