"""`make run`: the relay and the demo in two processes, which start and stop as one."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from websockets.sync.client import connect

from tests.docs.pages import ROOT
from tests.examples.both import Both, both
from tests.examples.person import signed_in
from tests.kit.command import environment
from tests.kit.polling import wait_until

MAKE = ["make", f"--old-file={sys.prefix}/installed", f"VENV={sys.prefix}", "run"]
"""As `make run` in a checkout that is set up."""


def _two_free_ports() -> int:
    """The first of two neighbours that nobody uses."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            with socket.create_server(("127.0.0.1", port + 1)):
                return port


def _api(port: int) -> dict[str, str]:
    return {"CALLVEIL__API__LISTEN": f"127.0.0.1:{port}"}


def test_the_page_is_served_at_the_port_after_the_apis() -> None:
    port = _two_free_ports()
    with both(env=_api(port)) as running:
        assert running.page() == f"http://127.0.0.1:{port + 1}/"


def test_where_that_port_is_taken_it_is_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with both(env=_api(port - 1)) as running:
            page = running.page()
            assert page != f"http://127.0.0.1:{port}/"
            with connect(page.replace("http", "ws") + "signaling", proxy=None) as signaling:
                signaling.send("?")
                assert "not understood" in str(signaling.recv(60))


def test_without_what_it_needs_it_is_refused_in_words() -> None:
    script = (
        "import runpy, sys; sys.modules['websockets'] = None\n"
        "sys.argv[1:] = ['--port', '0']\n"
        "runpy.run_module('examples.signaling', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "demo: websockets" in done.stderr
    assert "is not installed; `make run` installs all that the demo needs" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_has_the_token_of_the_configuration_and_asks_an_api_on_every_address_on_loopback(
    tmp_path: Path,
) -> None:
    file = tmp_path / "callveil.yaml"
    file.write_text(yaml.safe_dump({"api": {"tokens": ["a-token-of-this-test"]}}))
    with (
        both("--config", str(file), env={"CALLVEIL__API__LISTEN": "0.0.0.0:0"}) as running,
        signed_in(running.page(), "alice", "bob") as (alice, bob),
    ):
        bob.relate("alice", follow=True)
        alice.say("call", name="bob")
        bob.until("ringing")


def _ctrl_c(running: Both) -> None:
    running.interrupt(signal.SIGINT)


def _terminate(running: Both) -> None:
    running.interrupt(signal.SIGTERM)


def _hang_up(running: Both) -> None:
    running.interrupt(signal.SIGHUP)


def _terminate_make_alone(running: Both) -> None:
    running.process.terminate()


def _kill(running: Both) -> None:
    running.process.kill()


def _starts(running: Both, name: str) -> None:
    wait_until(lambda: running.child(name) is not None, f"the {name} is there")


def _assert_nothing_is_left(running: Both) -> None:
    wait_until(lambda: not running.left(), "nothing of it is left")


@pytest.mark.parametrize("do", [_ctrl_c, _terminate, _hang_up, _terminate_make_alone, _kill])
def test_one_signal_ends_make_and_both(do: Callable[[Both], None]) -> None:
    with both(command=MAKE) as running:
        _ends_with(running, do)


def test_where_the_program_itself_is_killed_both_end() -> None:
    with both() as running:
        _ends_with(running, _kill)


def _ends_with(running: Both, do: Callable[[Both], None]) -> None:
    running.page()
    _starts(running, "relay")
    _starts(running, "demo")
    do(running)
    running.ended()
    _assert_nothing_is_left(running)


@pytest.mark.parametrize("name", ["relay", "demo"])
@pytest.mark.parametrize("do", [_ctrl_c, _terminate])
def test_a_signal_in_the_middle_of_the_start_leaves_nothing(
    name: str, do: Callable[[Both], None]
) -> None:
    with both() as running:
        _starts(running, name)
        do(running)
        assert running.ended() == 0
        _assert_nothing_is_left(running)
    assert not any(line.startswith("demo") for line in running.said)


def test_ctrl_c_is_heard_where_sigint_was_ignored_before() -> None:
    script = 'trap "" INT; exec "$@"'
    with both(command=["sh", "-c", script, "sh", sys.executable, "-m", "examples"]) as running:
        running.page()
        _ctrl_c(running)
        assert running.ended() == 0
        _assert_nothing_is_left(running)


def test_a_call_under_way_keeps_nothing_from_stopping() -> None:
    with both() as running, signed_in(running.page(), "alice", "bob") as (alice, bob):
        bob.relate("alice", follow=True)
        alice.say("call", name="bob")
        bob.until("ringing")
        _ctrl_c(running)
        assert running.ended() == 0
        _assert_nothing_is_left(running)


@pytest.mark.parametrize(("name", "other"), [("relay", "demo"), ("demo", "relay")])
def test_when_one_ends_the_other_is_stopped_and_it_is_said(name: str, other: str) -> None:
    with both() as running:
        running.page()
        _starts(running, other)
        pid = running.child(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert running.ended() == 128 + signal.SIGKILL
        _assert_nothing_is_left(running)
    assert running.said[-1] == (
        f"callveil: the {name} was killed by signal 9; the {other} was stopped"
    )


def test_a_relay_that_cannot_start_is_said_and_the_demo_is_not_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with both(env=_api(port)) as running:
            assert running.ended() == 1
            _assert_nothing_is_left(running)
    assert running.said == [
        f"callveil: api.listen: 127.0.0.1:{port}: Address already in use",
        "callveil: the relay ended with exit code 1; the demo was not started",
    ]


def test_a_second_one_at_the_same_ports_gives_up_and_the_first_goes_on() -> None:
    env = _api(_two_free_ports())
    with both(env=env) as first:
        page = first.page()
        with both(env=env) as second:
            assert second.ended() == 1
            _assert_nothing_is_left(second)
        assert not any(line.startswith("demo") for line in second.said)
        with signed_in(page, "alice"):
            pass
        _ctrl_c(first)
        assert first.ended() == 0


def test_a_fault_of_the_configuration_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "callveil.yaml"
    file.write_text("demo: true\n")
    with both("--config", str(file)) as running:
        assert running.ended() == 2
    assert running.said == ["callveil: demo: unknown key"]
