"""The rules of the kit."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_OF_TESTS = ("pytest", "hypothesis", "cryptography", "aiortc")


@pytest.mark.parametrize("module", ["wire", "turn", "frames"])
def test_what_checks_the_relay_is_not_the_relays(module: str) -> None:
    nodes = [*ast.walk(ast.parse((_HERE / f"{module}.py").read_text()))]
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    imported = {name for name in names if name.startswith("relay")}
    assert imported <= {"relay.address"}


def test_benchmarks_run_without_the_packages_of_tests() -> None:
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({_OF_TESTS}))\n"
        "import benchmarks.__main__, benchmarks.kernel"
    )
    subprocess.run([sys.executable, "-c", script], cwd=_HERE.parents[1], check=True)
