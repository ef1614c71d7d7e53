"""Every option of coturn's has its row, and the page shows every row."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from relay.tools.coturn.options import OPTIONS, Fate
from tests.coturn.converting import about, converted
from tests.docs.pages import read
from tests.kit.requirements import insist

_SAMPLE = Path("/etc/turnserver.conf")


@pytest.fixture(autouse=True)
def coturn() -> None:
    """Skip, or fail under CI, where coturn is not."""
    is_there = _SAMPLE.exists() and shutil.which("turnserver")
    insist("coturn", "" if is_there else "apt-get install coturn")


def test_every_option_of_the_file_that_comes_with_coturn_has_a_row() -> None:
    named = set(re.findall(r"^# ?([A-Za-z][\w-]+)(?:=\S+)?$", _SAMPLE.read_text(), re.MULTILINE))
    assert len(named) > 90
    words = {"Example", "Examples", "OR", "only"}
    assert {name for name in named - words if not name[0].isdigit()} - set(OPTIONS) == set()


def test_every_option_of_the_manual_has_a_row() -> None:
    told = subprocess.run(["turnserver", "-h"], capture_output=True, text=True, check=False)
    named = set(re.findall(r"^ *(?:-\w, )*--([\w-]+)", told.stdout + told.stderr, re.MULTILINE))
    assert len(named) > 90
    assert named - set(OPTIONS) == set()


def test_the_file_that_comes_with_coturn_is_converted() -> None:
    imported = converted(_SAMPLE.read_text())
    assert imported.document["listen"] == ["udp://0.0.0.0:3478", "tcp://0.0.0.0:3478"]
    assert about(imported, "syslog")


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_carried_over_or_named_with_the_reason(name: str) -> None:
    option = OPTIONS[name]
    imported = converted(f"{name}\n" if option.is_switch else f"{name}=1\n")
    if option.fate is Fate.LOST:
        assert about(imported, name) == [option.text]
    elif option.fate is Fate.SAME:
        assert imported.same == {name: option.text}
    else:
        assert (imported.document, imported.notes) != (converted("").document, ())


@pytest.mark.parametrize(
    "name", [name for name, option in OPTIONS.items() if option.is_switch or option.inert]
)
def test_what_is_switched_off_is_as_if_it_were_not_there(name: str) -> None:
    option = OPTIONS[name]
    value = "off" if option.is_switch else option.inert
    imported = converted(f"{name}={value}\n")
    assert imported == converted("")


def test_the_page_shows_every_row() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.*) \|$", read("docs/coturn.md"), re.MULTILINE)
    assert [name for name, _, _ in rows] == sorted(OPTIONS, key=str.casefold)
    assert {name: (fate, text) for name, fate, text in rows} == {
        name: (option.fate.value, option.text) for name, option in OPTIONS.items()
    }
