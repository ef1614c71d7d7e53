"""How long a file and a function are, and what is asked in one place only."""

import ast
from collections.abc import Iterable

from tests.architecture.source import Breach, Module, Rule

MAY_ASK_TRANSPORT = {
    "relay/daemon/listeners.py": "makes the listener of each transport",
    "relay/forward/kernel/path.py": "has the routes from UDP to UDP",
    "relay/forward/user/arrival.py": "begins TLS",
}

LONGEST_FILE, LONGEST_FUNCTION = 300, 60


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


RULES: dict[Rule, list[Breach]] = {
    transport_questions: [
        ("relay/forward/forwarder.py", "if client.transport is not Transport.UDP: pass"),
    ],
    overlong_parts: [
        ("relay/a.py", "\n" * 301),
        ("relay/a.py", "def f():\n" + "    pass\n" * 60),
    ],
}
