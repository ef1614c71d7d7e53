"""Out of file descriptors: who is there goes on, who comes is refused, and later all is well."""

import resource
import select
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon.talking import hears, joined
from tests.kit import certificates
from tests.kit.daemon import Daemon, config_of, running
from tests.kit.polling import wait_until

MORE = 6
"""Files that the daemon may still open."""


def is_cut(sock: socket.socket) -> bool:
    """Whether the daemon has closed this connection, as far as one can see now."""
    if not select.select([sock], [], [], 0)[0]:
        return False
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_daemon_out_of_files_keeps_its_calls(tmp_path: Path, transport: str) -> None:
    files = certificates.write(tmp_path / "tls")
    config = config_of(
        listen=["udp://127.0.0.1:0", "tcp://127.0.0.1:0", f"{transport}://127.0.0.1:0"],
        tls=files.section,
        debug={"core_dumps": True},  # else nobody but root may count its files
    )
    with running(tmp_path, config) as daemon, ExitStack() as crowd:
        over_udp, over_tcp, crowded = daemon.urls
        call = daemon.create_call()
        alice, bob = joined(daemon, call, over_udp)
        carol, dave = joined(daemon, daemon.create_call(), over_tcp)
        limit = daemon.descriptors() + MORE
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, limit))
        strangers = [crowd.enter_context(daemon.connect(crowded)) for _ in range(4 * MORE)]
        wait_until(lambda: sum(map(is_cut, strangers)) >= MORE, "the crowd is refused")
        assert hears(alice, bob, b"we go on")
        assert hears(carol, dave, b"we as well")
        assert alice.permit(bob.relayed) == 0
        crowd.close()
        wait_until(lambda: has_room(daemon), "the crowd has left")
        daemon.end_call(call)
        later = joined(daemon, daemon.create_call(), over_tcp)
        assert hears(*later, b"and later all is well")
        assert not any("Traceback" in line for line in daemon.lines)


def has_room(daemon: Daemon) -> bool:
    """Whether the API can be reached and answers."""
    try:
        return daemon.ask("GET", "/readyz").status == 200
    except (OSError, ValueError):
        return False


def test_a_daemon_out_of_ports_refuses_and_goes_on(tmp_path: Path) -> None:
    config = config_of(relay={"ports": "50000-50001"})
    with running(tmp_path, config) as daemon:
        call = daemon.create_call()
        alice, bob = joined(daemon, call)
        assert daemon.party(call, "bob").allocate().code == 508
        assert hears(alice, bob, b"we go on")
        assert hears(*joined(daemon, daemon.create_call()), b"ports are a call's own")
