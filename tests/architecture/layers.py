"""Who may import whom."""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions

from tests.architecture.source import ROOT, Breach, Module, Rule, imports

GROUND = {"errors", "address", "clock", "special_use", "effects"}

_WIRED = {
    *GROUND,
    *("stun", "sdp", "contacts", "calls", "turn", "ice", "server", "forward", "api"),
    *("config", "metrics", "logs", "crowd"),
}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "address": set(),
    "clock": set(),
    "special_use": set(),
    "effects": {"errors", "address"},
    "stun": GROUND,
    "sdp": {*GROUND, "stun"},
    "contacts": set(),
    "calls": {*GROUND, "stun", "sdp"},
    "turn": {*GROUND, "stun", "calls"},
    "ice": {*GROUND, "stun", "calls"},
    "questions": {*GROUND, "calls", "turn", "ice"},
    "descriptions": {*GROUND, "sdp", "calls", "questions"},
    "server": {*GROUND, "stun", "sdp", "calls", "turn", "ice", "descriptions"},
    "crowd": {"address"},
    "forward": {
        *("errors", "address", "effects", "crowd", "calls.rate"),
        *("stun.demux", "stun.framing", "stun.indications"),
    },
    "api": {*GROUND, "stun", "sdp", "contacts", "calls", "ice.access", "metrics", "logs"},
    "logs": set(),
    "metrics": {*GROUND, "stun"},
    "config": {*GROUND, "calls.reach"},
    "daemon": _WIRED,
    "tools": {*GROUND, "stun", "calls", "config"},
    "client": {"errors"},
    "cli": {*GROUND, "calls", "config", "logs", "client", "tools", "daemon"},
}
"""Who may import whom, by the first name below `relay`; the table of the design, row by row. The
last rows wire: each may import those before it. A dotted name allows that one module."""

MAY_IMPORT_UNDECLARED = {
    "starlette": "fastapi's own base",
    "pydantic_core": "pydantic's own base",
    "h11": "uvicorn's own base",
    "hatchling": "runs the build hook, which nothing of the relay imports",
    "examples": "`make run` from a checkout",
}

_DISTRIBUTIONS = packages_distributions()

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

_DEPENDENCIES = {re.split(r"[^\w-]", each)[0].lower() for each in _PROJECT["dependencies"]}


def upward_imports(modules: Iterable[Module]) -> list[str]:
    """Imports point downwards only."""
    return [
        f"{module.path}: imports {name}"
        for module in modules
        for name in imports(module)
        if name.startswith((".", "relay.")) and not _is_downward(module.part, name)
    ]


def _is_downward(part: str, name: str) -> bool:
    _, _, below = name.partition(".")
    other = below.partition(".")[0]
    return other == part or bool({other, below} & MAY_IMPORT.get(part, set()))


def undeclared_imports(modules: Iterable[Module]) -> list[str]:
    """What the relay imports is installed with it, not only with its tests or its extras."""
    return [
        f"{module.path}: imports {name}"
        for module in modules
        for name in imports(module)
        if not _is_declared(name.partition(".")[0])
    ]


def _is_declared(top: str) -> bool:
    if top in ("", "relay") or top in sys.stdlib_module_names or top in MAY_IMPORT_UNDECLARED:
        return True
    names = {each.lower().replace("_", "-") for each in _DISTRIBUTIONS.get(top, ())}
    return bool(names & _DEPENDENCIES)


def import_circles(modules: Iterable[Module]) -> list[str]:
    """No module needs itself: not at run time, and not for types either."""
    known = {module.name: module for module in modules}
    needs = {
        name: {each for each in imports(module) if each in known and each != name}
        for name, module in known.items()
    }
    while True:  # what needs nothing more is in no circle, nor is what nobody needs
        needed = set().union(*needs.values())
        left = {
            name: below & needs.keys()
            for name, below in needs.items()
            if below & needs.keys() and name in needed
        }
        if left == needs:
            return [f"{known[name].path}: in a circle with {min(needs[name])}" for name in needs]
        needs = left


RULES: dict[Rule, list[Breach]] = {
    upward_imports: [
        ("relay/stun/a.py", "from relay.calls.pool import Pool"),
        ("relay/calls/a.py", "from relay.ice.dispatch import PortsMode"),
        ("relay/client/a.py", "from relay.api.problems import KINDS"),
        ("relay/calls/a.py", "def f():\n    from relay.turn import table"),
        ("relay/forward/a.py", "from relay.turn.dispatch import Turn"),
        ("relay/forward/a.py", "from relay.stun import framing, message"),
        ("relay/api/a.py", "import relay.daemon.engine"),
        ("relay/metrics.py", "from relay import daemon"),
        ("relay/address.py", "from relay.errors import Malformed"),
        ("relay/stun/a.py", "from ..turn import table"),
        ("relay/unheard_of.py", "from relay.errors import Malformed"),
    ],
    import_circles: [],  # one module is no circle: it has a test of its own
    undeclared_imports: [
        ("relay/daemon/a.py", "def f():\n    from pyroute2 import IPRoute"),
        ("relay/api/a.py", "import aiortc"),
    ],
}
