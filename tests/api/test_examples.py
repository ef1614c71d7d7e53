"""The OpenAPI document: operations that a person would name so, and examples that are true."""

from collections.abc import Iterator
from typing import Any

from tests.api.memory_relay import Api

Json = dict[str, Any]

OPERATIONS = {
    "create_call",
    "list_calls",
    "get_call",
    "change_call",
    "end_call",
    "accept_call",
    "end_party",
    "revoke_user",
    "set_endpoint",
    "rebuild_description",
    "rebuild_candidate",
    "decide_permission",
    "get_turn_rest_credential",
    "create_turn_rest_credential",
    "create_cloudflare_ice_servers",
    "create_cloudflare_ice_server",
    "revoke_cloudflare_credential",
    "create_twilio_credential",
    "get_health",
    "get_readiness",
    "get_metrics",
    "get_status",
    "drain",
    "reload",
}

SCHEMAS = {
    *("Call", "CallAccept", "CallAccepted", "CallCreate", "CallCreated", "CallList", "CallUpdate"),
    *("Party", "PartyAddress", "PartyCreate", "PartyCreated", "PartyUpdate", "PortPartyCreated"),
    *("EndpointPublic", "EndpointUpdate", "EndpointUpdated", "IceCredentials"),
    *("Description", "DescriptionCreate", "Candidate", "CandidateCreate"),
    *("IceCandidateInit", "IceServer", "RtcConfiguration"),
    *("Permission", "PermissionRequest", "Relationship", "CalleeSettings"),
    *("Health", "MediaServerCreated", "Problem", "Removed", "Status"),
    *("CallState", "MessageRequest", "PermissionReason", "PermissionSwitch"),
    *("RemovedKind", "Transport"),
    *("TurnRestCredential", "TwilioCredential", "TwilioFault", "TwilioIceServer"),
    *("CloudflareCredentialCreate", "CloudflareError", "CloudflareFault"),
    *("CloudflareIceServer", "CloudflareIceServerCreated", "CloudflareIceServers"),
}
"""What a generated client calls its classes; `schemas/base.py` has the scheme."""


def _document() -> Json:
    return Api().app.openapi()


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation


def _example(name: str) -> Any:
    return _document()["components"]["schemas"][name]["example"]


def test_operation_ids_are_short_and_each_is_there_once() -> None:
    ids = [operation["operationId"] for _, operation in _operations(_document())]
    assert sorted(ids) == sorted(OPERATIONS)


def test_every_operation_has_one_sentence_as_its_summary_and_the_rest_below() -> None:
    for _, operation in _operations(_document()):
        summary, rest = operation["summary"], operation.get("description", "Nothing more.")
        assert summary[0].isupper()
        assert "\n\n" not in summary
        assert summary.endswith(".")
        assert rest[0].isupper()
        assert rest.endswith(".")
        assert summary not in rest


def test_schemas_have_the_names_that_were_chosen() -> None:
    assert sorted(_document()["components"]["schemas"]) == sorted(SCHEMAS)


def test_every_field_that_is_answered_about_a_party_or_the_relay_is_required() -> None:
    schemas = _document()["components"]["schemas"]
    for name in ("Party", "Status", "Problem"):
        assert schemas[name]["required"] == [*schemas[name]["properties"]]
        assert all("description" in each for each in schemas[name]["properties"].values())


def test_tokens_are_asked_for_below_v1_and_by_vendors_and_every_fault_is_a_problem() -> None:
    document = _document()
    for path, operation in _operations(document):
        is_vendors = operation["tags"] == ["vendors"]
        assert ("security" in operation) == (path.startswith("/v1/") or is_vendors)
        for status, response in operation["responses"].items():
            types = list(response.get("content", {}))
            kind = "json" if is_vendors and path != "/turn" else "problem+json"
            assert status < "400" or types == [f"application/{kind}"]
    assert "ValidationError" not in str(document)


def test_every_body_has_an_example_with_every_field_that_is_required() -> None:
    document = _document()
    schemas = document["components"]["schemas"]
    bodies = [
        content["schema"]
        for _, operation in _operations(document)
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for kind, content in part.get("content", {}).items()
        if kind.endswith("json")
    ]
    assert len(bodies) > 50
    for schema in bodies:
        (name,) = _names(schema)
        assert _lacking(schemas[name]["example"], schemas[name], schemas) == []
    for schema in schemas.values():
        if "example" in schema:
            assert _lacking(schema["example"], schema, schemas) == []


def _names(schema: Json) -> list[str]:
    """The models that a schema refers to."""
    refs = [each.get("$ref") for each in (schema, *schema.get("anyOf", ()))]
    return [ref.rpartition("/")[2] for ref in refs if ref]


def _lacking(value: Any, schema: Json, schemas: Json) -> list[str]:
    """Fields that an example lacks, or that no schema knows."""
    if _names(schema):
        return min((_lacking(value, schemas[name], schemas) for name in _names(schema)), key=len)
    if isinstance(value, list):
        return [each for item in value for each in _lacking(item, schema["items"], schemas)]
    if not isinstance(value, dict):
        return []
    known, more = schema.get("properties", {}), schema.get("additionalProperties")
    lacking = [name for name in schema.get("required", ()) if name not in value]
    for name, part in value.items():
        if name not in known and not more:
            lacking.append(f"{name} is not known")
        else:
            lacking += _lacking(part, known.get(name) or more or {}, schemas)
    return lacking


async def _created(api: Api, body: Json) -> str:
    answer = await api("POST", "/v1/calls", json=body)
    assert answer.status_code == 201, answer.text
    call, parties = answer.json()["id"], answer.json()["parties"]
    leg = next(iter(parties.values()))["leg"]
    api.relay.relayed_addresses[call] = {leg: [("192.0.2.1", 50_000)]}
    return str(call)


async def test_what_is_asked_in_examples_is_answered_as_in_examples() -> None:
    api = Api()
    call = await _created(api, _example("CallCreate"))
    path = f"/v1/calls/{call}"
    described = await api("POST", f"{path}/description", json=_example("DescriptionCreate"))
    assert described.json() == _example("Description")
    accepted = (await api("POST", f"{path}/accept")).json()
    for field in ("state", "masked", "candidates", "descriptions"):
        assert accepted[field] == _example("CallAccepted")[field]
    trickled = await api("POST", f"{path}/candidate", json=_example("CandidateCreate"))
    assert trickled.json() == _example("Candidate")
    changed = await api("PATCH", path, json=_example("CallUpdate"))
    assert list(changed.json()["parties"]) == ["alice", "bob", "carol"]
    permission = await api("POST", "/v1/permission", json=_example("PermissionRequest"))
    assert permission.json() == _example("Permission")


async def test_so_it_is_with_devices_and_with_relayed_ports() -> None:
    api = Api()
    body = _example("CallCreate")
    answered = _example("CallAccept")
    parties = [*body["parties"], {"id": answered["party"]}]
    call = await _created(api, {**body, "parties": parties})
    accepted = await api("POST", f"/v1/calls/{call}/accept", json=answered)
    assert list(accepted.json()["parties"]) == ["alice", "bob-phone"]
    parties = [_example("PartyCreate"), {"id": "bob"}]
    call = await _created(api, {"parties": parties, "mode": "ports"})
    told = await api("POST", f"/v1/calls/{call}/endpoint", json=_example("EndpointUpdate"))
    assert told.status_code == 200


async def test_the_example_of_a_fault_is_what_is_answered() -> None:
    api = Api()
    call = (await api.create(ring=False))["id"]
    refused = await api("POST", f"/v1/calls/{call}/accept")
    assert refused.json() == {**_example("Problem"), "call": call}
