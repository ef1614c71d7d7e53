"""The page of the architecture shows the layers that there are, and the door says true numbers."""

import re

import pytest

from tests.architecture.form import LONGEST_FILE, LONGEST_FUNCTION
from tests.architecture.layers import MAY_IMPORT
from tests.docs.pages import blocks, read

_NODE = re.compile(r'^ +(\w+)\["(.*)"\]$', re.MULTILINE)
_ARROW = re.compile(r"^ +(\w+) --> (\w+)$", re.MULTILINE)
_NAME = re.compile(r"<b>(\w+)</b>")


def _layers() -> str:
    """The first picture of the page."""
    return next(b.text for b in blocks("docs/architecture.md") if b.language == "mermaid")


def _boxes() -> dict[str, list[str]]:
    """The packages and modules in each box of it."""
    return {box: _NAME.findall(label) for box, label in _NODE.findall(_layers())}


def test_every_layer_is_in_the_picture_once() -> None:
    shown = [name for names in _boxes().values() for name in names]
    assert len(shown) == len(set(shown))
    assert set(MAY_IMPORT) <= set(shown)


@pytest.mark.parametrize(("above", "below"), _ARROW.findall(_layers()))
def test_an_arrow_is_an_import_that_is_allowed(above: str, below: str) -> None:
    boxes = _boxes()
    allowed = {name for each in boxes[above] for name in MAY_IMPORT.get(each, boxes[below])}
    assert allowed & {*boxes[below]} or not {*boxes[below]} & {*MAY_IMPORT}


def test_every_box_has_an_arrow() -> None:
    assert {box for arrow in _ARROW.findall(_layers()) for box in arrow} == set(_boxes())


def test_the_door_names_the_floors() -> None:
    floors = f"a file has at most {LONGEST_FILE} lines, a function at most {LONGEST_FUNCTION} "
    assert floors in read("CONTRIBUTING.md")
