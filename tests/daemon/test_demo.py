"""`demo: true`: a page beside the API, that no fault of its own keeps from starting."""

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import yaml
from websockets.sync.client import connect

from tests.kit.daemon import Daemon, config_of, running


def _page_of(daemon: Daemon) -> str:
    return daemon.until_said("^demo ").split()[1]


def _two_free_ports() -> int:
    """The first of two neighbours that nobody uses."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            with socket.create_server(("127.0.0.1", port + 1)):
                return port


def test_the_page_is_served_at_the_port_after_the_apis(tmp_path: Path) -> None:
    port = _two_free_ports()
    api = {"listen": f"127.0.0.1:{port}", "tokens": []}
    with running(tmp_path, config_of(demo=True, api=api)) as daemon:
        assert _page_of(daemon) == f"http://127.0.0.1:{port + 1}/"


def test_where_that_port_is_taken_it_is_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = {"listen": f"127.0.0.1:{port - 1}", "tokens": []}
        with running(tmp_path, config_of(demo=True, api=api)) as daemon:
            page = _page_of(daemon)
            assert page != f"http://127.0.0.1:{port}/"
            with connect(page.replace("http", "ws") + "signaling", proxy=None) as signaling:
                signaling.send("?")
                assert "not understood" in str(signaling.recv(60))


def test_without_what_it_needs_it_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "callveil.yaml"
    file.write_text(yaml.safe_dump(config_of(demo=True)))
    script = (
        "import sys; sys.modules['examples'] = None\n"
        "from relay.cli import main\n"
        f"sys.argv[1:] = ['serve', '--config', {str(file)!r}]\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "demo: True: expected false, since examples" in done.stderr
    assert "Traceback" not in done.stderr
