"""The client's types and verbs are those of the OpenAPI document, field by field."""

import inspect
import re
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pytest

from relay.api.app import make_app
from relay.api.relay import ControlSettings
from relay.client import AsyncClient, Client, bodies, verbs
from relay.client.request import Request
from tests.api.memory_relay import SECRET, URLS, MemoryRelay

FORMS = {name: form for name, form in vars(bodies).items() if is_typeddict(form)}
SCHEMAS = {"PortCallCreated": "CallCreated"}
"""Forms whose schema has another name: the document has one for both modes."""

WITHOUT_SCHEMA = {"CallHead"}
"""What others are made of."""

ADDED = {"CandidateCreate": {"from"}}
"""Fields that the verb adds to a form."""

SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}

OPERATIONS = {
    "create_call": "create_call",
    "create_ports_call": "create_call",
    "list_some_calls": "list_calls",
    "show_call": "get_call",
    "status": "get_status",
    "is_ready": "get_readiness",
}
"""Verbs and their operations, where the two differ."""

NO_VERB = {
    *("get_health", "get_metrics"),
    *("get_turn_rest_credential", "create_turn_rest_credential", "create_twilio_credential"),
    *("create_cloudflare_ice_servers", "create_cloudflare_ice_server"),
    "revoke_cloudflare_credential",
}
"""Operations for probes, for Prometheus, and for programs that speak another vendor's."""


@cache
def document() -> dict[str, Any]:
    return make_app(MemoryRelay(), ControlSettings(URLS, SECRET)).openapi()


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = document()["components"]["schemas"][name]
    return schema


def meant(schema: dict[str, Any]) -> frozenset[object]:
    """The values that a schema allows, as `written` says it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return meant(schema_of(name)) if "enum" in schema_of(name) else frozenset({name})
    if "anyOf" in schema:
        return frozenset().union(*(meant(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return frozenset(schema["enum"])
    if schema["type"] == "array":
        return frozenset({("list", meant(schema["items"]))})
    if schema["type"] == "object":
        keys = meant(schema.get("propertyNames", {"type": "string"}))
        return frozenset({("dict", keys, meant(schema["additionalProperties"]))})
    return frozenset({schema["type"]})


def written(annotation: Any) -> frozenset[object]:
    """The values that an annotation allows."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return frozenset().union(*(written(each) for each in inner))
    if origin is NotRequired:
        return written(inner[0])
    if origin is Literal:
        return frozenset(inner)
    if origin is list:
        return frozenset({("list", written(inner[0]))})
    if origin is dict:
        return frozenset({("dict", written(inner[0]), written(inner[1]))})
    return frozenset({SIMPLE.get(annotation) or annotation.__name__})


def differences(form: Any, schema: dict[str, Any], added: set[str]) -> list[str]:
    """Where a form is not its schema."""
    fields = get_type_hints(form, include_extras=True)
    names = schema["properties"].keys() - added
    faults = [f"{name}: on one side only" for name in names ^ fields.keys()]
    if form.__required_keys__ != set(schema.get("required", ())) - added:
        faults.append("other fields are required")
    for name in names & fields.keys():
        shown, has = meant(schema["properties"][name]), written(fields[name])
        is_optional = name not in form.__required_keys__  # what may be left out need not be null
        if shown - ({"null"} if is_optional else set()) != has - (
            {"null"} if is_optional else set()
        ):
            faults.append(f"{name}: {shown} is not {has}")
    return faults


def one_mode(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The parties of a call that was created, in the mode that the form is for."""
    if name not in ("CallCreated", "PortCallCreated"):
        return schema
    both = schema["properties"]["parties"]["additionalProperties"]["anyOf"]
    one = both[name == "PortCallCreated"]
    parties = {"type": "object", "additionalProperties": one}
    return {**schema, "properties": {**schema["properties"], "parties": parties}}


@pytest.mark.parametrize("name", sorted(FORMS.keys() - WITHOUT_SCHEMA - {"Removed"}))
def test_a_form_has_the_fields_of_its_schema(name: str) -> None:
    schema = one_mode(name, schema_of(SCHEMAS.get(name, name)))
    assert differences(FORMS[name], schema, ADDED.get(name, set())) == []


def test_kinds_of_what_was_removed_may_become_more() -> None:
    """So they are any text to a client."""
    schema = schema_of("Removed")
    schema = {**schema, "properties": {**schema["properties"], "kind": {"type": "string"}}}
    assert differences(FORMS["Removed"], schema, set()) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"leg": {"type": "integer"}}, "leg: "),
        ({"dropped": None}, "dropped: on one side only"),
        ({"lost": {"type": "integer"}}, "lost: on one side only"),
        ({"path": {"type": "string", "enum": ["kernel", "user"]}}, "path: "),
    ],
)
def test_a_difference_is_noticed(changed: dict[str, Any], fault: str) -> None:
    schema = schema_of("Party")
    fields = {**schema["properties"], **changed}
    fields = {name: each for name, each in fields.items() if each is not None}
    faults = differences(bodies.Party, {**schema, "properties": fields}, set())
    assert [each for each in faults if each.startswith(fault)]


def _verbs() -> dict[str, Any]:
    return {
        name: verb
        for name, verb in vars(verbs).items()
        if inspect.isfunction(verb) and verb.__module__ == verbs.__name__ and name[0] != "_"
    }


def _operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Each operation by its name: method, path, and what it is."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    }


def test_every_operation_has_a_verb_and_both_clients_have_every_verb() -> None:
    asked = {OPERATIONS.get(name, name) for name in _verbs()}
    assert asked == _operations().keys() - NO_VERB
    for client in (Client, AsyncClient):
        assert [name for name in _verbs() if not hasattr(client, name)] == []


@pytest.mark.parametrize("name", sorted(_verbs()))
def test_a_verb_asks_what_its_operation_is(name: str) -> None:
    """Each parameter stands in the path, in the query or in the body; only `mode` is the verb's."""
    method, path, operation = _operations()[OPERATIONS.get(name, name)]
    parameters = inspect.signature(_verbs()[name]).parameters
    asked = _verbs()[name](**{each: _value_of(each) for each in parameters})
    assert isinstance(asked, Request)
    assert asked.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), asked.path.partition("?")[0])
    body = operation.get("requestBody")
    fields: set[str] = set()
    if body is not None:
        content = body["content"]["application/json"]["schema"]
        ref = next(each["$ref"] for each in [content, *content.get("anyOf", ())] if "$ref" in each)
        fields = set(schema_of(ref.rpartition("/")[2])["properties"])
    sent = set(asked.body) if isinstance(asked.body, dict) else set()
    assert sent == fields - ({"mode"} if name == "create_call" else set())


def _value_of(parameter: str) -> Any:
    whole = {
        "candidate": {
            "candidate": "",
            "sdpMid": "0",
            "sdpMLineIndex": 0,
            "usernameFragment": "abcd",
        }
    }
    return whole.get(parameter, [] if parameter == "parties" else 1 if "max" in parameter else "x")


def test_the_values_of_texts_are_those_of_the_document() -> None:
    for name in ("CallState", "MessageRequest", "PermissionSwitch", "PermissionReason"):
        assert list(get_args(getattr(bodies, name))) == schema_of(name)["enum"]
