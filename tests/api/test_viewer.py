"""`/docs` shows the API and loads nothing from another host."""

import re

from relay.api import viewer
from tests.api.memory_relay import Api


async def test_the_page_and_all_it_refers_to_come_from_here_without_a_token() -> None:
    api = Api(tokens=("token",))
    page = await api("GET", "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    references = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert sorted(references) == [
        "data:,",
        "docs/start.js",
        "docs/swagger-ui-bundle.js",
        "docs/swagger-ui.css",
    ]
    for path in viewer.PATHS:
        answer = await api("GET", path)
        assert (answer.status_code, bool(answer.content)) == (200, True)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "http" not in policy
    start = (await api("GET", "/docs/start.js")).text
    assert 'url: "openapi.json"' in start
    assert (await api("GET", "/openapi.json")).status_code == 200


async def test_below_it_there_is_nothing_else() -> None:
    for path in ("/docs/", "/docs/redoc.standalone.js", "/docs/oauth2-redirect", "/redoc"):
        assert (await Api()("GET", path)).status_code == 404
    assert (await Api(tokens=("token",))("GET", "/docs/other")).status_code == 401
