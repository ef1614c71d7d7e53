"""The Makefile's targets, as the documentation promises them."""

import os
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = [
    "help",
    "setup",
    "system-packages",
    "synapse",
    "run",
    "test",
    "lint",
    "fmt",
    "bench",
    "audit",
    "interop",
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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make setup` needs of a fresh one, up to where it would install anything."""
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "relay").mkdir()
    (tmp_path / "relay" / "__init__.py").touch()
    return tmp_path


def _interpreter(directory: Path, version: tuple[int, int]) -> Path:
    """A python that says it is of that version, and notes what else it is asked for."""
    path = directory / f"python{version[0]}.{version[1]}"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.version_info = ({version[0]}, {version[1]}, 1)\n"
        f"open({str(directory / 'asked')!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        "exec(sys.argv[2]) if sys.argv[1] == '-c' else sys.exit('not to be run')\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("target", ["setup", "run", "lint"])
def test_a_python_that_is_too_old_is_said_at_once(checkout: Path, target: str) -> None:
    python = _interpreter(checkout, (3, 10))
    done = subprocess.run(
        ["make", "-C", checkout, f"PYTHON={python}", target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    words = f"callveil needs Python 3.11 or newer: {python} is older or is not there\n"
    assert words in done.stderr
    assert "-m" not in (checkout / "asked").read_text()
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("python", ["", "/nowhere/python3"])
def test_a_python_that_is_not_there_is_said_at_once(checkout: Path, python: str) -> None:
    done = subprocess.run(
        ["make", "-C", checkout, f"PYTHON={python}", "setup"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "callveil needs Python 3.11 or newer: " in done.stderr


def test_a_python_that_is_new_enough_is_used(checkout: Path) -> None:
    done = subprocess.run(
        ["make", "-C", checkout, f"PYTHON={_interpreter(checkout, (3, 12))}", "setup"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "callveil needs" not in done.stderr
    assert "['-m', 'venv', '.venv']" in (checkout / "asked").read_text()


def test_the_package_says_what_it_is() -> None:
    about = metadata("callveil")
    assert about["Summary"]
    assert about["Author"]
    assert about["Keywords"]
    assert about["Requires-Python"] == ">=3.11"
    assert about["License-Expression"] == "Apache-2.0"
    assert about.get_all("License-File") == ["LICENSE"]
    assert "Operating System :: POSIX :: Linux" in about.get_all("Classifier", [])
    assert about["Description"].startswith("# callveil")
