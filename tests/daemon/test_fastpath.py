"""Whether the kernel forwards: as the configuration says, and what is said where it cannot."""

import os
from pathlib import Path

import pytest

from tests.kit.command import Outcome, callveil
from tests.kit.daemon import Config, config_of, configured, running

_WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set", "-all"] if os.geteuid() == 0 else []


def _serve(tmp_path: Path, fastpath: Config) -> Outcome:
    """Run a daemon that must not start, without any capability; returns what it said."""
    arguments = configured(tmp_path, config_of(fastpath=fastpath))
    return callveil("serve", *arguments, before=_WITHOUT_PRIVILEGES)


def test_a_required_fast_path_that_cannot_be_had_is_refused_in_one_line(tmp_path: Path) -> None:
    done = _serve(tmp_path, {"mode": "require"})
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith("callveil: fastpath.mode: require: ")
    assert "CAP_BPF" in line


def test_a_required_interface_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = _serve(tmp_path, {"mode": "require", "interfaces": ["cvnone0"]})
    (line,) = done.err.splitlines()
    assert line == "callveil: fastpath.mode: require: there is no interface cvnone0"


@pytest.mark.parametrize(("mode", "told"), [("off", "off"), ("auto", "off: CAP_BPF")])
def test_a_relay_without_the_fast_path_says_so_and_runs(
    tmp_path: Path, mode: str, told: str
) -> None:
    config = config_of(fastpath={"mode": mode})
    with running(tmp_path, config, _WITHOUT_PRIVILEGES) as daemon:
        status = daemon.ask("GET", "/v1/status").body
        assert status["ready"]
        assert status["fastpath"].startswith(told)
        assert daemon.metric("callveil_fastpath_attached") == 0
