"""The rules of the design, checked over the source of `relay`.

Rules of this file: a rule is a function from modules to breaches, one line each; what is allowed
beyond a rule stands in a table with its reason; every rule is shown to notice a breach.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from relay.calls.call import Call, Leg, RelayedAddress
from relay.calls.ends import End
from relay.errors import DropReason
from relay.turn.allocation import Allocation
from relay.turn.peer import Peer

ROOT = Path(__file__).parents[1]

TOP_LEVEL = {
    *("pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    *("relay", "config", "tests", "benchmarks", "docs", "examples"),
}
GENERATED = {"dist", "test-output"}

_GROUND = {"errors", "address", "clock", "special_use", "effects"}
_WIRED = {
    *_GROUND,
    *("stun", "sdp", "contacts", "calls", "turn", "ice", "server", "forward", "api"),
    *("config", "metrics", "logs", "crowd"),
}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "address": set(),
    "clock": set(),
    "special_use": set(),
    "effects": {"errors", "address"},
    "stun": _GROUND,
    "sdp": {*_GROUND, "stun"},
    "contacts": set(),
    "calls": {*_GROUND, "stun", "sdp"},
    "turn": {*_GROUND, "stun", "calls"},
    "ice": {*_GROUND, "stun", "calls"},
    "questions": {*_GROUND, "calls", "turn", "ice"},
    "server": {*_GROUND, "sdp", "calls", "turn", "ice", "questions"},
    "crowd": {"address"},
    "forward": {
        *("errors", "address", "effects", "crowd", "calls.rate"),
        *("stun.demux", "stun.framing", "stun.indications"),
    },
    "api": {*_GROUND, "stun", "sdp", "contacts", "calls", "ice.access", "metrics", "logs"},
    "logs": set(),
    "metrics": {*_GROUND, "stun"},
    "config": _GROUND,
    "daemon": _WIRED,
    "tools": {*_GROUND, "stun", "calls", "config"},
    "cli": {*_GROUND, "calls", "config", "logs", "tools", "daemon"},
}
"""Who may import whom, by the first name below `relay`; the table of the design, row by row. The
last rows wire: each may import those before it. A dotted name allows that one module."""

PURE = ("effects", "stun", "sdp", "contacts", "calls", "turn", "ice", "questions", "server")

SERVER = ("calls", "turn", "ice", "questions", "server")
"""What the one pure server is made of: nothing else changes a call."""

MAY_BE_KNOWN_OF_CALLS = {
    "relay.calls.call": {"Call", "Leg", "State"},
    "relay.calls.changes": {"Change", "PartyChange"},
    "relay.calls.credentials": {"Credential", "mint"},
    "relay.calls.ended": {"REGISTERED_PREFIX"},
    "relay.calls.leaving": {"AnsweredBy"},
    "relay.calls.making": {"Order", "Party"},
    "relay.calls.rate": {"SourceRate"},
    "relay.calls.rules": {"Masking", "Policy", "Rules"},
    "relay.calls.signaling": {"Released", "Trickled"},
    "relay.ice.access": {"PWD", "UFRAG", "Access", "Endpoint", "IceCredentials"},
    "relay.ice.settings": {"PortSettings"},
    "relay.turn.settings": {"TurnSettings", "port_of_nobody"},
}
"""What everybody else may import of them: values to ask the server with, and to read."""

_SLOTS = {
    *(*Call.__slots__, *Leg.__slots__, *RelayedAddress.__slots__),
    *(*End.__slots__, *Allocation.__slots__, *Peer.__slots__),
}
IMPURE = {
    *("socket", "ssl", "select", "selectors", "asyncio", "threading", "subprocess", "ctypes"),
    *("time", "datetime", "random", "secrets", "uuid", "os", "pathlib", "logging", "sys"),
}

COMPILED = {*PURE, *_GROUND}
_BUILTINS = {
    *("int", "float", "str", "bytes", "bytearray", "tuple", "list", "set", "frozenset", "type"),
}
_NO_BASES = {"Generic", "Protocol"}
_ENUMS = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}

MAY_REVEAL = {
    "relay/forward/user/sockets.py": "binds the relay's own sockets",
    "relay/forward/user/udp.py": "sends to a client, and to nobody else",
    "relay/daemon/listeners.py": "tells clients where the relay listens",
    "relay/api/schemas/endpoints.py": "tells a signaling server where a relayed port is",
    "relay/tools/audit/report.py": "shows an operator the operator's own captures, if asked",
    "relay/questions.py": "tells parties the relay's own addresses",
}

MAY_READ_CLOCKS = {
    "relay/daemon/run.py": "the one place that does, for everybody",
    "relay/forward/user/udp.py": "once per batch: asking the daemon would cost a call per wake-up",
    "relay/forward/user/connection.py": "once per frame, likewise",
    "relay/forward/user/lane.py": "bounds the time of what it runs",
    "relay/cli/commands.py": "a process of its own: expiry of a credential and of a certificate",
    "relay/logs.py": "when a line was said",
    "relay/cli/probing.py": "a process of its own: a credential's expiry",
    "relay/tools/probe/leg.py": "a process of its own: measures round trips",
    "relay/tools/probe/run.py": "a process of its own: measures round trips",
}

MAY_ASK_TRANSPORT = {
    "relay/daemon/listeners.py": "makes the listener of each transport",
    "relay/forward/kernel/path.py": "has the routes from UDP to UDP",
    "relay/forward/user/arrival.py": "begins TLS",
}

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

LONGEST_FILE, LONGEST_FUNCTION = 300, 60

_CLOCKS = {
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("process_time", "process_time_ns", "thread_time", "clock_gettime", "clock_gettime_ns"),
}
_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


@dataclass(frozen=True)
class Module:
    """One file of `relay`: its path below the repository, and what is in it."""

    path: str
    text: str

    @property
    def part(self) -> str:
        """The first name below `relay`: a package or a module; empty for `relay` itself."""
        return Path(self.path).with_suffix("").parts[1].replace("__init__", "")

    def nodes(self) -> Iterator[ast.AST]:
        """Every node of its syntax tree."""
        return ast.walk(ast.parse(self.text))


SOURCE = [
    Module(path.relative_to(ROOT).as_posix(), path.read_text())
    for path in sorted((ROOT / "relay").rglob("*.py"))
]
_NAMES = {
    ".".join(Path(module.path).with_suffix("").parts).removesuffix(".__init__") for module in SOURCE
}


def imports(module: Module) -> Iterator[str]:
    """What a module imports, anywhere in it: modules by their full names."""
    for node in module.nodes():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in _NAMES else base


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


def impure_imports(modules: Iterable[Module]) -> list[str]:
    """What decides has no sockets, clocks, randomness, files or logs of its own."""
    return [
        f"{module.path}: imports {name}"
        for module in modules
        if module.part in PURE
        for name in imports(module)
        if name.partition(".")[0] in IMPURE
    ]


def uncompilable_classes(modules: Iterable[Module]) -> list[str]:
    """What decides can be compiled: mypyc takes none of these, or makes what fails at import."""
    return [
        f"{module.path}:{node.lineno}: {fault}"
        for module in modules
        if module.part in COMPILED
        for node in module.nodes()
        if isinstance(node, ast.ClassDef)
        for fault in _faults_of(node)
    ]


def _faults_of(node: ast.ClassDef) -> Iterator[str]:
    bases = {ast.unparse(base).partition("[")[0] for base in node.bases}
    yield from (f"derives from {base}" for base in sorted(bases & _BUILTINS))
    if any(isinstance(each, ast.ClassDef) for each in node.body):
        yield "a class in a class"
    if len(bases - _NO_BASES) > 1:
        yield "two bases"
    if "NamedTuple" in bases and "memoryview" in _names_in(node):
        yield "a NamedTuple with a memoryview"
    members = [each for each in node.body if isinstance(each, ast.Assign)]
    assigned = {ast.unparse(target) for each in members for target in each.targets}
    if bases & _ENUMS and any(assigned & _names_in(each.value) for each in members):
        yield "a member made of members"
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    if any("cached_property" in _names_in(each) for one in methods for each in one.decorator_list):
        yield "a cached_property"


def _names_in(node: ast.AST) -> set[str]:
    found = [each for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute)]
    return {each.id if isinstance(each, ast.Name) else each.attr for each in found}


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


def revealed_addresses(modules: Iterable[Module]) -> list[str]:
    """An address leaves its type in few places."""
    return [
        f"{module.path}:{node.lineno}: reveal"
        for module in modules
        if module.path not in MAY_REVEAL
        for node in module.nodes()
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    ]


def clock_readings(modules: Iterable[Module]) -> list[str]:
    """Clocks are read by the daemon, and told to everybody else."""
    return [
        f"{module.path}:{getattr(node, 'lineno', 0)}: reads a clock"
        for module in modules
        if module.path not in MAY_READ_CLOCKS
        for node in module.nodes()
        if _is_clock(node)
    ]


def _is_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and bool({alias.name for alias in node.names} & _CLOCKS)
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if owner in ("datetime", "date"):
        return node.attr in ("now", "utcnow", "today")
    return (owner == "time" and node.attr in _CLOCKS) or (owner, node.attr) == ("loop", "time")


def transport_questions(modules: Iterable[Module]) -> list[str]:
    """Which transport a client uses is its listener's business, and nobody else's."""
    return [
        f"{module.path}:{node.lineno}: asks for a transport"
        for module in modules
        if module.part in ("forward", "daemon") and module.path not in MAY_ASK_TRANSPORT
        for node in module.nodes()
        if isinstance(node, ast.Compare)
        if any(ast.unparse(each).startswith("Transport.") for each in node.comparators)
    ]


def composed_log_events(modules: Iterable[Module]) -> list[str]:
    """The first argument of a log call is a plain text: nothing is formatted into it."""
    return [
        f"{module.path}:{getattr(node, 'lineno', 0)}: a log event that is put together"
        for module in modules
        for node in module.nodes()
        if _is_log_call(node) and not _is_plain(node)
    ]


def _is_log_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _LOG_METHODS
        and ast.unparse(node.func.value).lower().endswith(("log", "logger", ")"))
    )


def _is_plain(call: ast.AST) -> bool:
    """A constant event, and no f-string or `format` in what follows it."""
    assert isinstance(call, ast.Call)
    event = call.args[0] if call.args else None
    if not (isinstance(event, ast.Constant) and isinstance(event.value, str)):
        return False
    return not any(
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Attribute) and node.attr == "format")
        for node in ast.walk(call)
    )


def overlong_parts(modules: Iterable[Module]) -> list[str]:
    """Files and functions that one can read."""
    breaches = []
    for module in modules:
        length = len(module.text.splitlines())
        if length > LONGEST_FILE:
            breaches.append(f"{module.path}: {length} lines")
        for node in module.nodes():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                where = f"{module.path} {node.name}"
                if length > LONGEST_FUNCTION:
                    breaches.append(f"{where}: {length} lines")
    return breaches


def import_circles(modules: Iterable[Module]) -> list[str]:
    """No module needs itself: not at run time, and not for types either."""
    known = {_name(module): module for module in modules}
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


def _name(module: Module) -> str:
    return ".".join(Path(module.path).with_suffix("").parts).removesuffix(".__init__")


def changes_of_calls(modules: Iterable[Module]) -> list[str]:
    """A call, its legs and what they hold are changed by the server and by nobody else."""
    others = [module for module in modules if module.part not in SERVER]
    return [
        f"{module.path}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)[:60]}"
        for module in others
        for node in module.nodes()
        if _knows_too_much(node) or _changes_a_call(node)
    ]


def _knows_too_much(node: ast.AST) -> bool:
    """Whether this imports something of the server that may change a call."""
    if isinstance(node, ast.Import):
        return any(_is_of_server(alias.name) for alias in node.names)
    if not isinstance(node, ast.ImportFrom) or not _is_of_server(node.module or ""):
        return False
    allowed = MAY_BE_KNOWN_OF_CALLS.get(node.module or "", set())
    return node.module != "relay.server" and not {alias.name for alias in node.names} <= allowed


def _is_of_server(name: str) -> bool:
    return name.startswith(tuple(f"relay.{part}" for part in SERVER))


def _changes_a_call(node: ast.AST) -> bool:
    """Whether this sets, deletes or extends what may be an attribute of a call."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        return node.attr in _SLOTS and ast.unparse(node.value) not in ("self", "settings")
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    changed = node.func.value
    is_list = isinstance(changed, ast.Attribute) and changed.attr in ("legs", "held", "former")
    return node.func.attr in ("hold", "let_go") or (
        is_list and node.func.attr in ("append", "remove", "clear", "pop", "insert", "extend")
    )


Rule = Callable[[Iterable[Module]], list[str]]
RULES: list[Rule] = [
    upward_imports,
    import_circles,
    changes_of_calls,
    impure_imports,
    uncompilable_classes,
    undeclared_imports,
    revealed_addresses,
    clock_readings,
    transport_questions,
    composed_log_events,
    overlong_parts,
]


@pytest.mark.parametrize("rule", RULES)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    assert rule(SOURCE) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (upward_imports, "relay/stun/a.py", "from relay.calls.pool import Pool"),
        (upward_imports, "relay/calls/a.py", "from relay.ice.dispatch import PortsMode"),
        (upward_imports, "relay/calls/a.py", "def f():\n    from relay.turn import table"),
        (upward_imports, "relay/forward/a.py", "from relay.turn.dispatch import Turn"),
        (upward_imports, "relay/forward/a.py", "from relay.stun import framing, message"),
        (upward_imports, "relay/api/a.py", "import relay.daemon.engine"),
        (upward_imports, "relay/metrics.py", "from relay import daemon"),
        (upward_imports, "relay/address.py", "from relay.errors import Malformed"),
        (upward_imports, "relay/stun/a.py", "from ..turn import table"),
        (upward_imports, "relay/unheard_of.py", "from relay.errors import Malformed"),
        (changes_of_calls, "relay/api/a.py", "from relay.calls.book import Book"),
        (changes_of_calls, "relay/api/a.py", "from relay.calls.leaving import leave"),
        (changes_of_calls, "relay/daemon/a.py", "import relay.calls.book"),
        (changes_of_calls, "relay/daemon/a.py", "from relay.turn.dispatch import Turn"),
        (changes_of_calls, "relay/daemon/a.py", "call.expires = 0.0"),
        (changes_of_calls, "relay/daemon/a.py", "del leg.held"),
        (changes_of_calls, "relay/api/a.py", "self.found.masked |= True"),
        (changes_of_calls, "relay/api/a.py", "call.legs.remove(leg)"),
        (changes_of_calls, "relay/api/a.py", "call.let_go(port)"),
        *((impure_imports, "relay/turn/a.py", f"import {name}") for name in sorted(IMPURE)),
        (impure_imports, "relay/calls/a.py", "from os import urandom"),
        (impure_imports, "relay/stun/a.py", "def f():\n    import asyncio.events"),
        (uncompilable_classes, "relay/stun/a.py", "class A(int, Generic[T]):\n    pass"),
        (uncompilable_classes, "relay/address.py", "class A(tuple[int, int]):\n    pass"),
        (uncompilable_classes, "relay/ice/a.py", "class A(B, C):\n    pass"),
        (uncompilable_classes, "relay/ice/a.py", "class A:\n    class B:\n        pass"),
        (uncompilable_classes, "relay/stun/a.py", "class A(NamedTuple):\n    b: memoryview | None"),
        (uncompilable_classes, "relay/sdp/a.py", "class A(Flag):\n    B = 1\n    C = B | 2"),
        (
            uncompilable_classes,
            "relay/calls/a.py",
            "class A:\n    @functools.cached_property\n    def b(self):\n        return 1",
        ),
        (undeclared_imports, "relay/daemon/a.py", "def f():\n    from pyroute2 import IPRoute"),
        (undeclared_imports, "relay/api/a.py", "import httpx"),
        (revealed_addresses, "relay/turn/data.py", "host, _ = client.client.reveal()"),
        (revealed_addresses, "relay/logs.py", "show = Address.reveal"),
        (clock_readings, "relay/daemon/engine.py", "now = time.monotonic()"),
        (clock_readings, "relay/metrics.py", "from time import time_ns"),
        (clock_readings, "relay/api/a.py", "datetime.now(UTC)"),
        (clock_readings, "relay/forward/forwarder.py", "now = loop.time()"),
        (
            transport_questions,
            "relay/forward/forwarder.py",
            "if client.transport is not Transport.UDP: pass",
        ),
        (composed_log_events, "relay/daemon/engine.py", "log.info(f'{client} came')"),
        (
            composed_log_events,
            "relay/daemon/engine.py",
            "_log.info('came', extra={'from': f'{client}'})",
        ),
        (composed_log_events, "relay/daemon/engine.py", "log.warning('{}'.format(client))"),
        (composed_log_events, "relay/daemon/engine.py", "log.error('gone ' + name)"),
        (composed_log_events, "relay/daemon/engine.py", "log.error('%s' % name)"),
        (composed_log_events, "relay/daemon/engine.py", "logging.getLogger('a').info(error)"),
        (overlong_parts, "relay/a.py", "\n" * 301),
        (overlong_parts, "relay/a.py", "def f():\n" + "    pass\n" * 60),
    ],
)
def test_a_breach_is_noticed(rule: Rule, path: str, text: str) -> None:
    assert len(rule([Module(path, text)])) == 1


def test_a_circle_is_noticed() -> None:
    texts = {
        "relay/turn/table.py": "if TYPE_CHECKING:\n    from relay.turn.outer import OuterPort",
        "relay/turn/outer.py": "from relay.turn import routes",
        "relay/turn/routes.py": "from relay.turn.table import Table",
        "relay/turn/data.py": "from relay.turn.table import Table",
    }
    breaches = import_circles([Module(*each) for each in texts.items()])
    assert {line.partition(":")[0] for line in breaches} == {*texts} - {"relay/turn/data.py"}


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (revealed_addresses, MAY_REVEAL),
        (clock_readings, MAY_READ_CLOCKS),
        (transport_questions, MAY_ASK_TRANSPORT),
    ],
)
def test_no_exception_outlives_its_reason(rule: Rule, allowed: dict[str, str]) -> None:
    elsewhere = [Module(f"{module.path}x", module.text) for module in SOURCE]
    assert {line.partition("x:")[0] for line in rule(elsewhere)} == set(allowed)


def test_every_package_and_module_has_a_row_in_the_table() -> None:
    assert {module.part for module in SOURCE} == {*MAY_IMPORT, ""}


def test_top_level_holds_only_the_agreed_names() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert visible - GENERATED <= TOP_LEVEL


def test_every_drop_reason_has_a_number_and_a_label_of_its_own() -> None:
    assert [reason.value for reason in DropReason] == list(range(len(DropReason)))
    assert len(DropReason.__members__) == len(DropReason)  # a second name would be an alias
    assert len({reason.label for reason in DropReason}) == len(DropReason)
