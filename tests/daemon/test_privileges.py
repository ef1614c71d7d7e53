"""What a daemon may still do once it is ready."""

import os
import pwd
import signal
from pathlib import Path

import pytest

from tests.kernel import requirements
from tests.kit.command import callveil
from tests.kit.daemon import Daemon, config_of, configured, running

_NET_ADMIN = 1 << 12


def _status(daemon: Daemon, name: str) -> str:
    lines = daemon.proc("status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


def _stop(daemon: Daemon) -> None:
    """In good order: killed, it would leave its filter behind, as it should."""
    daemon.signal(signal.SIGINT)
    assert daemon.ended() == 0


def test_no_capability_is_left_without_the_fast_path(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        for name in ("CapPrm", "CapEff", "CapInh"):
            assert int(_status(daemon, name), 16) == 0
        assert _status(daemon, "NoNewPrivs") == "1"


def test_the_fast_path_leaves_one_capability(tmp_path: Path) -> None:
    with running(tmp_path, config_of(fastpath={"mode": "auto"})) as daemon:
        attached = daemon.metric("callveil_fastpath_attached")
        assert int(_status(daemon, "CapEff"), 16) == (_NET_ADMIN if attached else 0)
        assert attached == (not requirements.missing())
        daemon.create_call()  # and it still works
        _stop(daemon)


@pytest.mark.parametrize("mode", ["off", "auto"])
def test_a_daemon_started_by_root_becomes_the_user_that_is_named(tmp_path: Path, mode: str) -> None:
    me = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with running(tmp_path, config_of(user=me, fastpath={"mode": mode})) as daemon:
        uids = set(_status(daemon, "Uid").split())
        assert len(uids) == 1
        assert uids != {"0"}
        daemon.create_call()
        _stop(daemon)


def test_a_user_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = callveil("serve", *configured(tmp_path, config_of(user="cvnobody0")))
    assert done.code == 1
    assert (
        done.err.splitlines()[-1] == "callveil: user: cvnobody0: there is no such user on this host"
    )
