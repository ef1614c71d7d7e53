"""The API's own page in a browser: it shows every operation, and nobody else is asked."""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Request, Route, expect, sync_playwright

from tests.browser.fixtures import CHROMIUM
from tests.browser.tab import PATIENCE_MS
from tests.kit.daemon import config_of, running
from tests.kit.requirements import PACKAGES, require

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def test_it_works_without_any_other_host(tmp_path: Path) -> None:
    require(PACKAGES | {"chromium": "chromium"})
    with running(tmp_path, config_of(api={"listen": "127.0.0.1:0"})) as daemon:
        host, port = daemon.api_at
        asked: list[str] = []
        said: list[str] = []

        def note(route: Route, request: Request) -> None:
            asked.append(request.url)
            route.continue_() if _is_here(request.url, host, port) else route.abort()

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
            page = browser.new_page()
            page.route("**/*", note)
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(f"http://{host}:{port}/docs")
            operation = page.locator("#operations-calls-create_call")
            expect(operation).to_be_visible(timeout=PATIENCE_MS)
            operation.locator("button").first.click()
            operation.get_by_role("button", name="Try it out").click()
            operation.get_by_role("button", name="Execute").click()
            status = operation.locator(".live-responses-table .response-col_status").last
            expect(status).to_contain_text("201", timeout=PATIENCE_MS)
            expect(page.locator(".opblock")).to_have_count(
                _operations(daemon.ask("GET", "/openapi.json").body)
            )
            browser.close()
    assert [url for url in asked if not _is_here(url, host, port)] == []
    assert said == []


def _is_here(url: str, host: str, port: int) -> bool:
    return url.startswith("data:") or urlsplit(url).netloc == f"{host}:{port}"


def _operations(document: dict[str, dict[str, dict[str, object]]]) -> int:
    return sum(len(operations) for operations in document["paths"].values())
