"""Wrong input of every kind: exit 2 and one line on stderr, never a traceback."""

import signal
import subprocess
from pathlib import Path

import pytest

from relay import __version__
from tests.kit.command import COMMAND, callveil, environment

COMMANDS = ["serve", "check-config", "credential", "probe", "audit", "import-coturn"]
COMMANDS += ["calls", "status", "drain", "reload"]


def test_help_names_every_command() -> None:
    for arguments in (["--help"], ["-h"], []):
        done = callveil(*arguments)
        assert done.code == 0
        assert all(command in done.out for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "calls end"])
def test_every_command_has_help(command: str) -> None:
    done = callveil(*command.split(), "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: callveil")
    assert done.err == ""


def test_help_imports_nothing_that_takes_time() -> None:
    probe = (
        "import sys; from relay.cli.main import run; run(['--help']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [COMMAND.with_name("python"), "-c", probe], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"rich", "pydantic", "yaml", "fastapi", "uvicorn", "asyncio", "aioice"}


def test_version() -> None:
    assert callveil("--version").out == f"callveil {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["nope"], "No such command 'nope'"),
        (["--nope"], "No such option: --nope"),
        (["serve", "--nope"], "No such option: --nope"),
        (["serve", "extra"], "unexpected extra argument"),
        (["serve", "--log-level", "loud"], "'--log-level'"),
        (["serve", "--config"], "requires an argument"),
        (["serve", "--config", "/nowhere.yaml"], "'/nowhere.yaml': cannot be read"),
        (["check-config"], "Missing argument 'FILE'"),
        (["check-config", "/nowhere.yaml"], "'/nowhere.yaml': cannot be read: No such file"),
        (["check-config", "/"], "'/': cannot be read: Is a directory"),
        (["credential", "--call", "a"], "Missing option '--leg'"),
        (["credential", "--call", "a", "--leg", "b"], "auth.secrets: []: expected the secret"),
        (["credential", "--call", "a:b", "--leg", "b"], "--call: expected letters"),
        (["credential", "--call", "", "--leg", "b"], "--call: expected letters"),
        (["credential", "--call", "@a", "--leg", "b"], "--call: expected letters"),
        (["credential", "--call", "a", "--leg", "ü"], "--leg: expected printable ASCII"),
        (["credential", "--call", "a", "--leg", "b\n"], "--leg: expected printable ASCII"),
        (["credential", "--call", "a", "--leg", "b", "--ttl", "0"], "'--ttl'"),
        (["credential", "--call", "a", "--leg", "b", "--ttl", "soon"], "'--ttl'"),
        (["probe", "--url", "http://127.0.0.1"], "--url: 'http://127.0.0.1': expected turn:"),
        (["probe", "--url", "turn:h:0"], "expected a port from 1 to 65535"),
        (["probe", "--secret", "env:NOWHERE"], "--secret: expected the environment variable"),
        (["probe", "--count", "0"], "'--count'"),
        (["probe", "--timeout", "0"], "'--timeout'"),
        (["probe", "--secret", "x", "--ca", "/nowhere"], "--ca: '/nowhere': expected PEM"),
        (["import-coturn"], "Missing argument 'FILE'"),
        (["import-coturn", "/nowhere"], "'/nowhere': cannot be read: No such file"),
        (["import-coturn", "/"], "'/': cannot be read: Is a directory"),
        (["import-coturn", "/dev/zero"], "expected a turnserver.conf of at most 1 MiB"),
        (["import-coturn", "/dev/null", "--address", "x"], "--address: 'x': expected a numeric"),
        (["calls", "end"], "Missing argument 'ID'"),
        (["calls", "--api", "ftp://127.0.0.1"], "--api: 'ftp://127.0.0.1': expected http://"),
        (["status", "--api", "http://127.0.0.1:x"], "--api: "),
        (["status", "--api", "http://a b"], "--api: "),
        (["drain", "--api", ""], "--api: ''"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(arguments: list[str], fault: str) -> None:
    done = callveil(*arguments)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith("callveil: ")
    assert fault in line


def test_a_listener_on_any_port_is_probed_by_its_url(tmp_path: Path) -> None:
    path = tmp_path / "any-port.yaml"
    path.write_text("listen: ['udp://127.0.0.1:0']\n")
    probe = ("probe", "--secret", "x", "--config", str(path), "--timeout", "0.1")
    done = callveil(*probe)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("callveil: listen[0]: 'udp://127.0.0.1:0': expected a port")
    done = callveil(*probe, "--url", "turn:127.0.0.1:9")
    assert (done.code, done.out) == (1, "")
    assert "turn:127.0.0.1:9" in done.err


def test_check_config_names_each_fault_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text("realm: 7\nrelay: {ports: 1-2}\nauth: {secrets: ['']}\nx: 1\n")
    done = callveil("check-config", str(path), env={"CALLVEIL__NOPE": "x"})
    assert (done.code, done.out) == (2, "")
    assert [line.split(": ")[:2] for line in done.err.splitlines()] == [
        ["callveil", "CALLVEIL__NOPE"],
        ["callveil", "realm"],
        ["callveil", "relay.ports"],
        ["callveil", "auth.secrets[0]"],
        ["callveil", "x"],
    ]


def test_check_config_says_ok(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    done = callveil("check-config", str(path))
    assert (done.code, done.out, done.err) == (0, "ok\n", "")


def test_check_config_cautions_and_is_still_well(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("auth: {secrets: [hush]}")
    done = callveil("check-config", str(path))
    assert (done.code, done.out) == (0, "ok\n")
    assert done.err.startswith("callveil: caution: auth.secrets[0]")
    assert "hush" not in done.err


def test_serve_refuses_a_faulty_configuration(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text("fleet: {node: a}\n")
    done = callveil("serve", "--config", str(path))
    assert (done.code, done.out) == (2, "")
    assert done.err == "callveil: fleet.node: expected ''; not available in this version\n"


def test_a_reader_that_leaves_is_no_traceback() -> None:
    script = f"{COMMAND} --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_an_interrupt_is_quiet_and_exits_130() -> None:
    script = (
        "import os, signal, sys\n"
        "from relay.cli.main import run\n"
        "import relay.config.document as d\n"
        "def read(path):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "d.read = read\n"
        "sys.exit(run(['check-config', 'x']))\n"
    )
    done = subprocess.run(
        [COMMAND.with_name("python"), "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "")


def test_a_fault_of_callveil_itself_is_one_line_with_its_place() -> None:
    script = (
        "import sys\n"
        "from relay.cli.main import run\n"
        "import relay.config.document as d\n"
        "def read(path):\n"
        "    raise KeyError('198.51.100.77')\n"
        "d.read = read\n"
        "sys.exit(run(['check-config', 'x']))\n"
    )
    done = subprocess.run(
        [COMMAND.with_name("python"), "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "callveil: internal fault: KeyError at <string>:5\n"
