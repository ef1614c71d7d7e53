"""Nothing but the server changes a call."""

import ast
from collections.abc import Iterable

from relay.calls.call import Call, Leg, RelayedAddress
from relay.calls.ends import End
from relay.turn.allocation import Allocation
from relay.turn.peer import Peer
from tests.architecture.source import Breach, Module, Rule

SERVER = ("calls", "turn", "ice", "questions", "descriptions", "server")
"""What the one pure server is made of: nothing else changes a call."""

MAY_BE_KNOWN_OF_CALLS = {
    "relay.calls.call": {"Call", "CallState", "Leg"},
    "relay.calls.changes": {"Change", "PartyChange"},
    "relay.calls.credentials": {
        *("Credential", "call_of", "identified_leg_of", "mint", "mint_user"),
        "minted_user_of",
    },
    "relay.calls.ended": {"CALL_NAME", "REGISTERED_PREFIX"},
    "relay.calls.leaving": {"AnsweredBy"},
    "relay.calls.making": {"Order", "Party"},
    "relay.calls.rate": {"Rate", "SourceRate"},
    "relay.calls.reach": {"Listed", "ports_of"},
    "relay.calls.rules": {"Alternate", "Masking", "Policy", "Rules"},
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


RULES: dict[Rule, list[Breach]] = {
    changes_of_calls: [
        ("relay/api/a.py", "from relay.calls.book import Book"),
        ("relay/api/a.py", "from relay.calls.leaving import leave"),
        ("relay/daemon/a.py", "import relay.calls.book"),
        ("relay/daemon/a.py", "from relay.turn.dispatch import Turn"),
        ("relay/daemon/a.py", "call.expires = 0.0"),
        ("relay/daemon/a.py", "del leg.held"),
        ("relay/api/a.py", "self.found.masked |= True"),
        ("relay/api/a.py", "call.legs.remove(leg)"),
        ("relay/api/a.py", "call.let_go(port)"),
    ],
}
