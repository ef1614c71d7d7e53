"""callveil's HTTP API, as far as this signaling server needs it: one method, one request.

Rules of this file: whatever goes wrong is a `CallveilError`. Requests wait in threads, so that a
slow answer keeps nobody but its own call waiting.
"""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 5
MAX_ANSWER_BYTES = 1 << 20

Document = dict[str, Any]


class CallveilError(Exception):
    """callveil refused, or did not answer; the message is one sentence without addresses."""


class Callveil:
    """One relay.

    Args:
        url: of its API, `http://host:port`.
        token: one of `api.tokens`; empty where the API asks for none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("expected http://host:port")
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        # An API on loopback is not asked for through a proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def check_ready(self) -> None:
        """Whether it takes new calls, and our token. Raises: CallveilError, where it does not."""
        status = await self._ask("GET", "/v1/status")
        if not (isinstance(status, dict) and status.get("ready")):
            raise CallveilError("The relay takes no new calls.")

    async def create(self, privacy: dict[str, bool]) -> Document:
        """Create a ringing call.

        Args:
            privacy: for each party, by the name that it has towards callveil, whether it has
                enhanced call privacy on.
        """
        parties = [{"id": each, "enhanced_call_privacy": on} for each, on in privacy.items()]
        return await self._ask("POST", "/v1/calls", {"parties": parties, "ring": True})

    async def accept(self, call: str) -> Document:
        """Let media cross from now on."""
        return await self._ask("POST", f"/v1/calls/{call}/accept")

    async def tighten(self, call: str, party: str) -> Document:
        """Switch a party's privacy on in a call that rings or runs."""
        body = {"parties": [{"id": party, "enhanced_call_privacy": True}]}
        return await self._ask("PATCH", f"/v1/calls/{call}", body)

    async def view(self, call: str) -> Document:
        """State and statistics."""
        return await self._ask("GET", f"/v1/calls/{call}")

    async def end(self, call: str) -> None:
        """End every leg."""
        await self._ask("DELETE", f"/v1/calls/{call}")

    async def description(self, call: str, party: str, sdp: str) -> Document:
        """A party's description, rebuilt for the others."""
        body = {"from": party, "sdp": sdp}
        return await self._ask("POST", f"/v1/calls/{call}/description", body)

    async def candidate(self, call: str, party: str, candidate: str) -> Document:
        """A party's candidate, rebuilt for the others; `candidate` is null where none is left."""
        body = {"from": party, "candidate": candidate}
        return await self._ask("POST", f"/v1/calls/{call}/candidate", body)

    async def _ask(self, method: str, path: str, body: object = None) -> Document:
        return await asyncio.to_thread(self._request, method, path, body)

    def _request(self, method: str, path: str, body: object) -> Document:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  its scheme is checked in __init__
            self._url + path, data, self._headers, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                content = answer.read(MAX_ANSWER_BYTES)
            document: Document = json.loads(content or b"{}")
        except urllib.error.HTTPError as error:
            raise CallveilError(_refusal(error)) from None
        except (OSError, http.client.HTTPException, ValueError):
            raise CallveilError("The relay does not answer.") from None
        return document


def _refusal(error: urllib.error.HTTPError) -> str:
    """What the problem says (RFC 9457), or else its status."""
    with error:
        try:
            problem = json.loads(error.read(MAX_ANSWER_BYTES))
            return str(problem["detail"] or problem["title"])
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            return f"The relay refuses ({error.code})."
