"""One table says what every route requires, and agrees with the application and its document."""

from fastapi.routing import iter_route_contexts

from relay.api.requirements import (
    MAX_BODY_BYTES,
    MAX_DESCRIPTION_BODY_BYTES,
    ROUTES,
    Requirements,
    look_up,
)
from tests.api.memory_relay import Api

STRICTEST = Requirements(needs_token=True, max_body_bytes=MAX_BODY_BYTES, takes_turns=False)


def test_every_route_of_the_application_is_in_the_table_and_no_other() -> None:
    contexts = iter_route_contexts(Api().app.routes)
    assert {(context.path or "").replace(":name", "") for context in contexts} == set(ROUTES)


def test_the_document_asks_for_a_token_where_the_table_does() -> None:
    paths = Api().app.openapi()["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            secured = bool(operation.get("security"))
            assert (secured, "401" in operation["responses"]) == (ROUTES[path].needs_token,) * 2


def test_a_request_is_looked_up_by_the_names_in_its_path() -> None:
    for path, requirements in ROUTES.items():
        call = "a%2Fdescription" if "{call}" in path else ""
        named = path.replace("{call}", "a%2Fdescription").replace("{party}", "b")
        assert look_up(named) == (requirements, call)


def test_a_path_that_is_no_route_needs_a_token_and_may_bring_the_smallest_body() -> None:
    assert min(required.max_body_bytes for required in ROUTES.values()) == MAX_BODY_BYTES
    for path in (
        *("", "/", "/healthz/", "/healthz%2F", "//healthz", "/docs/other.js", "/v1", "/v1/calls/"),
        *("/v1/calls/a/b/description", "/v1/calls//candidate", "/v1/calls/{call}/other"),
        *("/v1/calls/a/description/", "x/v1/calls/a/description"),
    ):
        assert look_up(path) == (STRICTEST, ""), path


def test_what_parties_write_waits_for_turns_and_descriptions_may_be_long() -> None:
    long = {path for path, required in ROUTES.items() if required.max_body_bytes > MAX_BODY_BYTES}
    turns = {path for path, required in ROUTES.items() if required.takes_turns}
    assert long == {"/v1/calls/{call}/description"}
    assert turns == long | {"/v1/calls/{call}/candidate"}
    assert ROUTES["/v1/calls/{call}/description"].max_body_bytes == MAX_DESCRIPTION_BODY_BYTES
