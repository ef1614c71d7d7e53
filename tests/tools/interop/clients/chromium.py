"""Debian's Chromium: one browser for each namespace, kept open, and a page for each call."""

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Error, Page, Playwright, sync_playwright

from tests.kit.namespaces import Namespace
from tests.tools.interop.clients import trust
from tests.tools.interop.stage import Stage

_CHROMIUM = "/usr/bin/chromium"
_PARTY = Path(__file__).with_name("party.js")
_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

_browsers: dict[tuple[Stage, str], BrowserContext] = {}
_playwrights: dict[Stage, Playwright] = {}


class Tab:
    """One page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(_PARTY.read_text())

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have one thing done. Raises: RuntimeError with the browser's own words."""
        try:
            outcome = self._page.evaluate(
                f"(given) => party.{do}(...given)", list(arguments.values())
            )
        except Error as fault:
            raise RuntimeError(f"{do}: {fault}") from fault
        return outcome or {}

    def end(self) -> None:
        """Close it."""
        self._page.evaluate("party.close()")
        self._page.close()


def open_page(stage: Stage, where: Namespace) -> Tab:
    """A new page of the browser there."""
    key = (stage, where.name)
    if key not in _browsers:
        _browsers[key] = _open(stage, where)
        stage.stack.callback(_browsers.pop, key)
        stage.stack.callback(_browsers[key].close)
    return Tab(_browsers[key].new_page())


def _open(stage: Stage, where: Namespace) -> BrowserContext:
    if stage not in _playwrights:
        _playwrights[stage] = stage.stack.enter_context(sync_playwright())
    home = stage.directory / f"chromium-{where.name}"
    trust.authority(home / ".pki" / "nssdb", stage.authority)
    launcher = home / "chromium"
    command = " ".join(map(_quoted, where.command(stage.named([_CHROMIUM]))))
    # It makes a socket in TMPDIR, whose path may have 107 bytes (unix(7)).
    launcher.write_text(f'#!/bin/sh\nHOME={home} TMPDIR=/tmp exec {command} "$@"\n')
    launcher.chmod(0o755)
    return _playwrights[stage].chromium.launch_persistent_context(
        home / "profile", executable_path=launcher, args=_FLAGS, env={**os.environ}
    )


def _quoted(word: str) -> str:
    return f"'{word}'" if set(word) - set("abcdefghijklmnopqrstuvwxyz") else word
