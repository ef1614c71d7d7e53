"""Tests that depend on the machine, run on other machines than this one: pytest in a process."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.kit import requirements

ROOT = Path(__file__).parents[1]

_SIGNALS = "daemon/test_signals.py::test_ctrl_c_stops_whatever_runs"
_INTERRUPT = "cli/test_usage.py::test_an_interrupt_is_quiet_and_exits_130"
_HELP = "cli/test_usage.py::test_help_names_every_command"
_EXPIRY = "cli/test_credential.py"
_CURL = "docs/test_readme.py::test_the_curl_commands_do_what_is_shown"
_TABLE = "benchmarks/test_report.py::test_a_table_is_as_wide_as_it_may_be_and_no_number_is_cut"
_API = "cli/test_daemon.py::test_status"
_IPV6 = "daemon/test_start.py::test_ready_names_every_listener_in_order_and_the_api"
_ROUTE = "forward/test_udp.py::test_a_route_leads_to_another_listener_and_family"
_DEAD = "kernel/test_adoption.py::test_what_dead_relays_left_is_removed"

_ELSEWHERE = {
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "LANG": "",
    "TERM": "dumb",
    "COLUMNS": "20",
    "FORCE_COLOR": "1",
    "http_proxy": "http://127.0.0.1:1",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
}


def run(before: list[str], *tests: str, **environment: str) -> None:
    """Run tests to their end.

    Args:
        before: what changes the machine and then runs what follows.
    """
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*before, *pytest, *(f"tests/{test}" for test in tests)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_from_a_script_in_the_background_with_its_stdin_closed() -> None:
    """Where SIGINT is ignored, and file descriptor 0 is the first file that is opened."""
    script = 'trap "" INT; exec "$@" <&-'
    run(["sh", "-c", script, "sh"], _SIGNALS, _INTERRUPT, _API)


def test_in_another_place_behind_a_proxy_without_a_home() -> None:
    run(["env", "-u", "HOME"], _HELP, _EXPIRY, _CURL, _TABLE, **_ELSEWHERE)


def test_on_a_machine_that_has_just_started_and_has_no_ipv6() -> None:
    requirements.require({"ip": "iproute2", "unshare": "util-linux", "sysctl": "procps"})
    script = 'ip link set lo up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && exec "$@"'
    # Only the monotonic clock: start times of processes, by which leftovers are known, are on
    # another one.
    started = ["unshare", "--time", "--fork", "--monotonic", str(3 - int(time.monotonic()))]
    run([*started, "--net", "sh", "-c", script, "sh"], _DEAD, _IPV6, _ROUTE)
