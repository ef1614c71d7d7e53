"""What a daemon without a kernel fast path says to who requires one."""

from pathlib import Path

import yaml

from tests.cli.running import callveil
from tests.daemon.process import config_of


def test_a_required_fast_path_is_refused_in_this_version(tmp_path: Path) -> None:
    path = tmp_path / "callveil.yaml"
    path.write_text(yaml.safe_dump(config_of(fastpath={"mode": "require"})))
    done = callveil("serve", "--config", str(path))
    assert (done.code, done.out) == (2, "")
    expected = "fastpath.mode: require: expected auto or off in this version"
    assert done.err == f"callveil: {expected}\n"
