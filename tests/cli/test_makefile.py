"""The Makefile's targets, as the documentation promises them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = [
    "help",
    "setup",
    "system-packages",
    "run",
    "test",
    "lint",
    "fmt",
    "bench",
    "audit",
    "fuzz",
    "floods",
    "clean",
]


def test_help_is_the_default_and_names_every_target() -> None:
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    named = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  make ")]
    assert sorted(named) == sorted(TARGETS)


def test_ci_is_the_makefile_and_skips_nothing() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "make system-packages" in script
    assert "make test" in script
    assert "CALLVEIL_TEST_NO_SKIPS=1" in script
