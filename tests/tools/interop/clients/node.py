"""Clients in Node, from npm: both take the W3C's interface."""

import os
from pathlib import Path

from tests.kit.namespaces import Namespace, run_command
from tests.lab.party import Party
from tests.tools.interop.stage import Stage

_PEER = Path(__file__).with_name("node_peer.mjs")
PACKAGES = _PEER.with_name("package.json")
_INSTALLED = Path(__file__).parents[4] / "test-output" / "npm"


def wrtc(stage: Stage, where: Namespace) -> Party:
    """libwebrtc without a browser."""
    return _party(stage, where, "@roamhq/wrtc")


def werift(stage: Stage, where: Namespace) -> Party:
    """WebRTC in TypeScript."""
    return _party(stage, where, "werift")


def _party(stage: Stage, where: Namespace, package: str) -> Party:
    command = stage.named(["node", str(_PEER), package, str(install())])
    env = os.environ | {"NODE_EXTRA_CA_CERTS": str(stage.authority)}
    return Party(stage.lab, where, command, env=env)


def install() -> Path:
    """Install both, unless they are. Returns: where."""
    wanted = PACKAGES.read_text()
    stamp = _INSTALLED / "installed"
    if not stamp.is_file() or stamp.read_text() != wanted:
        _INSTALLED.mkdir(parents=True, exist_ok=True)
        (_INSTALLED / PACKAGES.name).write_text(wanted)
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(_INSTALLED)]
        run_command(["npm", "install", *options])
        stamp.write_text(wanted)
    return _INSTALLED
