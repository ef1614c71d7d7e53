"""The clients over real connections: proxies, redirects, logs, silence, and ports mode."""

import http.server
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from relay.client import ApiFault, AsyncClient, Client, NoAnswer
from tests.kit.api import TOKEN
from tests.kit.daemon import Daemon, running


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all of them; it asks for a token."""
    with running(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


def test_a_call_in_ports_mode(relay: Daemon) -> None:
    with Client(relay.api, TOKEN) as client:
        ice = {"ufrag": "F7gI", "pwd": "x9cml/YzichV2+XlhiMu8g"}
        call = client.create_ports_call(
            [{"id": "a", "ice": {"ufrag": ice["ufrag"], "pwd": ice["pwd"]}}, {"id": "b"}]
        )
        own = call["parties"]["a"]["endpoint"]
        assert own["port"]
        assert own["ice"]["ufrag"] != ice["ufrag"]
        told = client.set_endpoint(
            call["id"], "b", address={"address": "127.0.0.1", "port": 50_000}
        )
        assert "ice" not in told["endpoint"]
        client.end_call(call["id"])


async def test_one_connection_serves_many_requests(relay: Daemon) -> None:
    async with AsyncClient(relay.api, TOKEN) as client:
        assert [(await client.status())["ready"] for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_learns_of_a_request(
    relay: Daemon, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Client(relay.api, TOKEN) as client:
        assert client.status()["ready"]


def test_no_request_is_logged(relay: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    """A URL names a call."""
    with caplog.at_level(logging.INFO), Client(relay.api, TOKEN) as client:
        client.end_call("a-call-that-nobody-may-read")
    assert caplog.records == []


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Sends everybody to another path, and remembers who came."""

    came: list[str]

    def do_GET(self) -> None:
        self.came.append(self.path)
        self.send_response(307)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: it would be on the terminal."""


def test_no_redirect_is_followed() -> None:
    _Elsewhere.came = []
    with http.server.HTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with (
            Client(f"http://127.0.0.1:{server.server_port}", TOKEN) as client,
            pytest.raises(ApiFault) as caught,
        ):
            client.status()
    assert (caught.value.status, _Elsewhere.came) == (307, ["/v1/status"])


@contextmanager
def _silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_silence_is_a_fault_after_the_timeout() -> None:
    with _silent() as url, Client(url, timeout_s=0.1) as client, pytest.raises(NoAnswer) as caught:
        client.status()
    assert caught.value.reason == "TimeoutError"


async def test_nobody_there_is_said_in_the_words_of_the_system() -> None:
    with pytest.raises(NoAnswer) as waited:
        Client("http://127.0.0.1:9").status()
    async with AsyncClient("http://127.0.0.1:9") as client:
        with pytest.raises(NoAnswer) as awaited:
            await client.status()
    assert waited.value.reason == awaited.value.reason == "Connection refused"
