"""`/docs`: the OpenAPI document in Swagger UI, of which every file comes from here.

Rules of this file: the page loads nothing from another host, and its policy has the browser see to
that. The files are read once, before the daemon gives up what it may read.
"""

from importlib.resources import files

from fastapi import APIRouter, Response

PAGE = "/docs"

_FILES = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
"""Of Swagger UI, as `fastapi-offline` ships them, and their types."""

_START = "start.js"

PATHS = frozenset({PAGE, *(f"{PAGE}/{name}" for name in (*_FILES, _START))})

_HTML = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>callveil: HTTP API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="viewer"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/{_START}"></script>
</html>
"""

_SCRIPT = """SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#viewer",
    deepLinking: true,
    displayOperationId: true,
    validatorUrl: null,
});
"""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_router() -> APIRouter:
    """The page and its files."""
    router = APIRouter(include_in_schema=False)
    _serve(router, PAGE, _HTML.encode(), "text/html; charset=utf-8")
    _serve(router, f"{PAGE}/{_START}", _SCRIPT.encode(), _FILES["swagger-ui-bundle.js"])
    for name, media_type in _FILES.items():
        content = files("fastapi_offline").joinpath("static", name).read_bytes()
        _serve(router, f"{PAGE}/{name}", content, media_type)
    return router


def _serve(router: APIRouter, path: str, content: bytes, media_type: str) -> None:
    async def answer() -> Response:
        return Response(content, headers=_HEADERS, media_type=media_type)

    router.add_api_route(path, answer)
