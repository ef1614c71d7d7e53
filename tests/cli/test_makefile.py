"""The Makefile's targets, as the documentation promises them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

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


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    """Commands in place of Debian's. `installed` lists packages, `asked` is what apt-get was."""
    commands = {
        # Both architectures of a package are a line each.
        "dpkg-query": 'grep -qx "$4" installed && printf "installed\\ninstalled\\n"',
        "apt-get": 'shift 2; echo "$@" >>asked; [ ! -e stale ] || [ $1 = update ] && rm -f stale',
        "id": "echo 0",
        "systemctl": "",
    }
    (tmp_path / "installed").touch()
    for name, script in commands.items():
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\ncd "${{0%/*}}"\n{script}\n')
        path.chmod(0o755)
    return tmp_path


def install(debian: Path) -> list[str]:
    """`make system-packages`; what apt-get was asked for."""
    asked = debian / "asked"
    asked.unlink(missing_ok=True)
    path = f"{debian}{os.pathsep}{os.environ['PATH']}"
    command = ["make", "-C", str(ROOT), "system-packages"]
    subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, check=True)
    return asked.read_text().splitlines() if asked.exists() else []


def test_system_packages_are_installed_once(debian: Path) -> None:
    packages = re.findall(r"^PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    (one, *others) = packages[0].split()
    wanted = "install -y --no-install-recommends"
    assert install(debian) == [f"{wanted} {packages[0]}"]
    (debian / "installed").write_text("".join(f"{name}\n" for name in others))
    assert install(debian) == [f"{wanted} {one}"]
    (debian / "stale").touch()  # its lists are, or there are none yet
    assert install(debian) == [f"{wanted} {one}", "update", f"{wanted} {one}"]
    (debian / "installed").write_text("".join(f"{name}\n" for name in (one, *others)))
    assert install(debian) == []
