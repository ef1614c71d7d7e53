"""Janus, a media server on libnice: its echo of a WebRTC client."""

import http.client
import itertools
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S, wait_until
from tests.lab.relay import Relay

_API = ("127.0.0.1", 8088)
_LIBRARY = "/usr/lib/x86_64-linux-gnu/janus"
_JANUS = """
general: {{
  configs_folder = "{home}"
  plugins_folder = "{library}/plugins"
  transports_folder = "{library}/transports"
  events_folder = "{home}"
  loggers_folder = "{home}"
  recordings_tmp_ext = "tmp"
}}
nat: {{
{nat}
}}
media: {{ ipv6 = true }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""


class Handle:
    """One session with the echo test.

    Args:
        opaque_id: what the client that attaches calls it; empty for nothing.
        where: Janus is; the callee's namespace unless said.
    """

    def __init__(self, relay: Relay, opaque_id: str = "", where: Namespace | None = None) -> None:
        self._where = where or relay.lab.callee
        self._number = itertools.count()
        self._path = "/janus"
        self._path += f"/{self._ask(janus='create')['data']['id']}"
        named = {"opaque_id": opaque_id} if opaque_id else {}
        attached = self._ask(janus="attach", plugin="janus.plugin.echotest", **named)
        self._session, self._path = self._path, f"{self._path}/{attached['data']['id']}"

    def answer(self, offer: str, **more: object) -> str:
        """Its answer to an offer, with every candidate inside.

        Args:
            more: of the description, beside its type and its text.
        """
        body = {"audio": True, "video": True}
        self._ask(janus="message", body=body, jsep={"type": "offer", "sdp": offer, **more})
        while "jsep" not in (event := self._request("GET", self._session, None)):
            pass
        return str(event["jsep"]["sdp"])

    def _ask(self, **body: Any) -> dict[str, Any]:
        return self._request("POST", self._path, {**body, "transaction": str(next(self._number))})

    def _request(self, method: str, path: str, body: object) -> dict[str, Any]:
        connection = http.client.HTTPConnection(*_API)
        connection.sock = self._where.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(PATIENCE_S)
            connection.sock.connect(_API)
            connection.request(method, path, json.dumps(body) if body else None)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer


@contextmanager
def running(
    relay: Relay,
    nat: str,
    home: Path,
    where: Namespace | None = None,
    named: Callable[[Sequence[str]], Sequence[str]] = list,
) -> Iterator[None]:
    """Janus for one `with` block.

    Args:
        nat: the section of its configuration that says where a TURN server is.
        home: for its configuration and its log.
        where: it runs; the callee's namespace unless said.
        named: makes the command that runs another, where that needs more.
    """
    names = {
        kind: [each.name for each in Path(_LIBRARY, kind).glob("*.so")]
        for kind in ("plugins", "transports")
    }
    config = _JANUS.format(
        home=home,
        library=_LIBRARY,
        nat=nat,
        plugins=",".join(name for name in names["plugins"] if "echotest" not in name),
        transports=",".join(name for name in names["transports"] if "http" not in name),
    )
    (home / "janus.jcfg").write_text(config)
    (home / "janus.transport.http.jcfg").write_text(
        f'general: {{ json = "compact", http = true, port = {_API[1]}, ip = "{_API[0]}" }}\n'
    )
    where = where or relay.lab.callee
    command = ["janus", "-F", str(home), "-C", str(home / "janus.jcfg"), "-o"]
    with relay.lab.program(where, named(command), home / "log"):
        wait_until(lambda: _is_there(where), "Janus answers")
        yield


def _is_there(where: Namespace) -> bool:
    with where.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(_API) == 0
