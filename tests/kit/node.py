"""Node, where it is installed."""

import shutil
from pathlib import Path

from tests.kit.command import Outcome, run
from tests.kit.requirements import insist


def node(*arguments: str, cwd: Path | None = None, token: str = "") -> Outcome:
    """Run Node to its end. Skips the test, or fails it under CI, where there is none."""
    insist("Node", "" if shutil.which("node") else "apt-get install nodejs")
    return run(["node", *arguments], {"CALLVEIL_API_TOKEN": token}, cwd)
