"""Where an address is shown, and what is logged."""

import ast
from collections.abc import Iterable

from tests.architecture.source import Breach, Module, Rule

MAY_REVEAL = {
    "relay/forward/user/sockets.py": "binds the relay's own sockets",
    "relay/forward/user/udp.py": "sends to a client, and to nobody else",
    "relay/daemon/listeners.py": "tells clients where the relay listens",
    "relay/api/schemas/endpoints.py": "tells a signaling server where a relayed port is",
    "relay/tools/audit/report.py": "shows an operator the operator's own captures, if asked",
    "relay/questions.py": "tells parties the relay's own addresses",
}

_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def revealed_addresses(modules: Iterable[Module]) -> list[str]:
    """An address leaves its type in few places."""
    return [
        f"{module.path}:{node.lineno}: reveal"
        for module in modules
        if module.path not in MAY_REVEAL
        for node in module.nodes()
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
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


RULES: dict[Rule, list[Breach]] = {
    revealed_addresses: [
        ("relay/turn/data.py", "host, _ = client.client.reveal()"),
        ("relay/logs.py", "show = Address.reveal"),
    ],
    composed_log_events: [
        ("relay/daemon/engine.py", "log.info(f'{client} came')"),
        ("relay/daemon/engine.py", "_log.info('came', extra={'from': f'{client}'})"),
        ("relay/daemon/engine.py", "log.warning('{}'.format(client))"),
        ("relay/daemon/engine.py", "log.error('gone ' + name)"),
        ("relay/daemon/engine.py", "log.error('%s' % name)"),
        ("relay/daemon/engine.py", "logging.getLogger('a').info(error)"),
    ],
}
