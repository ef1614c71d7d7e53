"""The rules of the design, checked over the source of `relay`.

Rules of this file: a rule is a function from modules to breaches, one line each; what is allowed
beyond a rule stands in a table with its reason; every rule is shown to notice a breach.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.errors import DropReason

ROOT = Path(__file__).parents[1]

TOP_LEVEL = {
    *("pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    *("relay", "config", "tests", "benchmarks", "docs", "examples"),
}
GENERATED = {"dist", "test-output"}

_GROUND = {"errors", "address", "clock", "special_use", "effects"}
_WIRED = {
    *_GROUND,
    *("stun", "sdp", "contacts", "calls", "turn", "ice", "forward", "api", "config"),
    *("metrics", "logs", "crowd"),
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
    "crowd": {"address"},
    "forward": {
        *("errors", "address", "effects", "crowd", "calls.rate"),
        *("stun.framing", "stun.indications"),
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

PURE = ("effects", "stun", "sdp", "contacts", "calls", "turn", "ice")
IMPURE = {
    *("socket", "ssl", "select", "selectors", "asyncio", "threading", "subprocess", "ctypes"),
    *("time", "datetime", "random", "secrets", "uuid", "os", "pathlib", "logging", "sys"),
}

MAY_REVEAL = {
    "relay/forward/user/sockets.py": "binds the relay's own sockets",
    "relay/forward/user/udp.py": "sends to a client, and to nobody else",
    "relay/daemon/listeners.py": "tells clients where the relay listens",
    "relay/api/schemas/endpoints.py": "tells a signaling server where a relayed port is",
    "relay/tools/audit/report.py": "shows an operator the operator's own captures, if asked",
    "relay/daemon/engine.py": "tells parties the relay's own addresses",
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


Rule = Callable[[Iterable[Module]], list[str]]
RULES: list[Rule] = [
    upward_imports,
    impure_imports,
    revealed_addresses,
    clock_readings,
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
        (upward_imports, "relay/calls/a.py", "from relay.ice.server import Ports"),
        (upward_imports, "relay/calls/a.py", "def f():\n    from relay.turn import table"),
        (upward_imports, "relay/forward/a.py", "from relay.turn.server import Server"),
        (upward_imports, "relay/forward/a.py", "from relay.stun import framing, message"),
        (upward_imports, "relay/api/a.py", "import relay.daemon.engine"),
        (upward_imports, "relay/metrics.py", "from relay import daemon"),
        (upward_imports, "relay/address.py", "from relay.errors import Malformed"),
        (upward_imports, "relay/stun/a.py", "from ..turn import table"),
        (upward_imports, "relay/unheard_of.py", "from relay.errors import Malformed"),
        *((impure_imports, "relay/turn/a.py", f"import {name}") for name in sorted(IMPURE)),
        (impure_imports, "relay/calls/a.py", "from os import urandom"),
        (impure_imports, "relay/stun/a.py", "def f():\n    import asyncio.events"),
        (revealed_addresses, "relay/turn/server.py", "host, _ = client.client.reveal()"),
        (revealed_addresses, "relay/logs.py", "show = Address.reveal"),
        (clock_readings, "relay/daemon/engine.py", "now = time.monotonic()"),
        (clock_readings, "relay/metrics.py", "from time import time_ns"),
        (clock_readings, "relay/api/a.py", "datetime.now(UTC)"),
        (clock_readings, "relay/forward/forwarder.py", "now = loop.time()"),
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


@pytest.mark.parametrize("allowed", [MAY_REVEAL, MAY_READ_CLOCKS])
def test_no_exception_outlives_its_reason(allowed: dict[str, str]) -> None:
    rule = revealed_addresses if allowed is MAY_REVEAL else clock_readings
    elsewhere = {f"relay/x/{module.path}": module for module in SOURCE}
    breaches = rule(Module(path, module.text) for path, module in elsewhere.items())
    assert {line.removeprefix("relay/x/").partition(":")[0] for line in breaches} == set(allowed)


def test_every_package_and_module_has_a_row_in_the_table() -> None:
    assert {module.part for module in SOURCE} == {*MAY_IMPORT, ""}


def test_top_level_holds_only_the_agreed_names() -> None:
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert visible - GENERATED <= TOP_LEVEL


def test_every_drop_reason_has_a_number_and_a_label_of_its_own() -> None:
    assert [reason.value for reason in DropReason] == list(range(len(DropReason)))
    assert len(DropReason.__members__) == len(DropReason)  # a second name would be an alias
    assert len({reason.label for reason in DropReason}) == len(DropReason)
