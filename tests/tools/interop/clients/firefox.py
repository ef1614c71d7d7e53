"""Debian's Firefox ESR by WebDriver BiDi, which it speaks itself: one browser for each namespace.

A call has a tab of its own. A script's value comes as JSON in a string, so that nothing of BiDi's
own serialization is needed.
"""

import itertools
import json
import os
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S, wait_until
from tests.tools.interop.clients import trust
from tests.tools.interop.stage import Stage

_PORT = 9222
_PARTY = Path(__file__).with_name("party.js")
_PREFERENCES = {
    "remote.active-protocols": 1,  # BiDi alone
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "toolkit.startup.max_resumed_crashes": -1,
}

Json = dict[str, Any]


class Browser:
    """One Firefox and the connection to it."""

    def __init__(self, stage: Stage, where: Namespace) -> None:
        profile = stage.directory / f"firefox-{where.name}"
        trust.authority(profile, stage.authority)
        lines = (
            f'user_pref("{name}", {json.dumps(value)});\n' for name, value in _PREFERENCES.items()
        )
        (profile / "user.js").write_text("".join(lines))
        command = ["firefox-esr", "--headless", "--no-remote", "--profile", str(profile)]
        self._process = stage.lab.popen(
            where,
            stage.named([*command, f"--remote-debugging-port={_PORT}"]),
            env=os.environ | {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._numbers = itertools.count(1)
        self._stack = ExitStack()
        self._socket: ClientConnection | None = None
        wait_until(lambda: self._is_connected(where), "Firefox listens")
        self.command("session.new", capabilities={})

    def _is_connected(self, where: Namespace) -> bool:
        sock = where.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sock.connect_ex(("127.0.0.1", _PORT)):
            sock.close()
            return False
        opening = connect(f"ws://127.0.0.1:{_PORT}/session", sock=sock, max_size=None)
        self._socket = self._stack.enter_context(opening)
        return True

    def command(self, method: str, **parameters: object) -> Json:
        """One command of BiDi. Raises: RuntimeError with Firefox's own words."""
        assert self._socket is not None
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (said := json.loads(self._socket.recv(PATIENCE_S))).get("id") != number:
            pass
        if said["type"] == "error":
            raise RuntimeError(f"{method}: {said['message']}")
        result: Json = said["result"]
        return result

    def close(self) -> None:
        """End it."""
        self._stack.close()
        self._process.kill()
        self._process.wait()


class Tab:
    """One page."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._tab = browser.command("browsingContext.create", type="tab")["context"]
        self._evaluate(_PARTY.read_text() + "; null")

    def ask(self, do: str, **arguments: object) -> Json:
        """Have one thing done. Raises: RuntimeError with the browser's own words."""
        given = json.dumps(list(arguments.values()))
        outcome = self._evaluate(
            f"(async () => JSON.stringify((await party.{do}(...{given})) ?? {{}}))()"
        )
        value: Json = json.loads(outcome["value"])
        return value

    def end(self) -> None:
        """Close it."""
        self._evaluate("party.close()")
        self._browser.command("browsingContext.close", context=self._tab)

    def _evaluate(self, script: str) -> Json:
        said = self._browser.command(
            "script.evaluate", expression=script, target={"context": self._tab}, awaitPromise=True
        )
        if said["type"] == "exception":
            raise RuntimeError(said["exceptionDetails"]["text"])
        result: Json = said["result"]
        return result


_browsers: dict[tuple[Stage, str], Browser] = {}


def open_page(stage: Stage, where: Namespace) -> Tab:
    """A new tab of the browser there."""
    key = (stage, where.name)
    if key not in _browsers:
        _browsers[key] = Browser(stage, where)
        stage.stack.callback(_browsers.pop, key)
        stage.stack.callback(_browsers[key].close)
    return Tab(_browsers[key])
