"""What decides is pure, and can be compiled."""

import ast
from collections.abc import Iterable, Iterator

from tests.architecture.layers import GROUND
from tests.architecture.source import Breach, Module, Rule, imports

PURE = (
    "effects",
    "stun",
    "sdp",
    "contacts",
    "calls",
    "turn",
    "ice",
    "questions",
    "descriptions",
    "server",
)

IMPURE = {
    *("socket", "ssl", "select", "selectors", "asyncio", "threading", "subprocess", "ctypes"),
    *("time", "datetime", "random", "secrets", "uuid", "os", "pathlib", "logging", "sys"),
}

COMPILED = {*PURE, *GROUND}

_BUILTINS = {
    *("int", "float", "str", "bytes", "bytearray", "tuple", "list", "set", "frozenset", "type"),
}

_NO_BASES = {"Generic", "Protocol"}

_ENUMS = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}

MAY_READ_CLOCKS = {
    "relay/daemon/run.py": "the one place that does, for everybody",
    "relay/forward/user/udp.py": "once per batch: asking the daemon would cost a call per wake-up",
    "relay/forward/user/connection.py": "once per frame, likewise",
    "relay/forward/user/lane.py": "bounds the time of what it runs",
    "relay/forward/user/icmp.py": "once per ICMP error",
    "relay/cli/commands.py": "a process of its own: expiry of a credential and of a certificate",
    "relay/logs.py": "when a line was said",
    "relay/cli/probing.py": "a process of its own: a credential's expiry",
    "relay/tools/probe/leg.py": "a process of its own: measures round trips",
    "relay/tools/probe/run.py": "a process of its own: measures round trips",
}

_CLOCKS = {
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("process_time", "process_time_ns", "thread_time", "clock_gettime", "clock_gettime_ns"),
}


def impure_imports(modules: Iterable[Module]) -> list[str]:
    """What decides has no sockets, clocks, randomness, files or logs of its own."""
    return [
        f"{module.path}: imports {name}"
        for module in modules
        if module.part in PURE
        for name in imports(module)
        if name.partition(".")[0] in IMPURE
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


RULES: dict[Rule, list[Breach]] = {
    impure_imports: [
        *(("relay/turn/a.py", f"import {name}") for name in sorted(IMPURE)),
        ("relay/calls/a.py", "from os import urandom"),
        ("relay/stun/a.py", "def f():\n    import asyncio.events"),
    ],
    clock_readings: [
        ("relay/daemon/engine.py", "now = time.monotonic()"),
        ("relay/metrics.py", "from time import time_ns"),
        ("relay/api/a.py", "datetime.now(UTC)"),
        ("relay/forward/forwarder.py", "now = loop.time()"),
    ],
    uncompilable_classes: [
        ("relay/stun/a.py", "class A(int, Generic[T]):\n    pass"),
        ("relay/address.py", "class A(tuple[int, int]):\n    pass"),
        ("relay/ice/a.py", "class A(B, C):\n    pass"),
        ("relay/ice/a.py", "class A:\n    class B:\n        pass"),
        ("relay/stun/a.py", "class A(NamedTuple):\n    b: memoryview | None"),
        ("relay/sdp/a.py", "class A(Flag):\n    B = 1\n    C = B | 2"),
        (
            "relay/calls/a.py",
            "class A:\n    @functools.cached_property\n    def b(self):\n        return 1",
        ),
    ],
}
