"""The page about the API says what the OpenAPI document says."""

import json
import re
from typing import Any

from relay.api.app import make_app
from relay.api.problems import KINDS
from relay.api.relay import ControlSettings
from relay.api.requirements import ROUTES
from tests.api.memory_relay import SECRET, URLS, MemoryRelay
from tests.docs.pages import assert_shows, blocks, parse_json, read

_ENDPOINT = re.compile(r"^\| `([A-Z]+) (/\S+)` \| ([0-9]{3}) \|", re.MULTILINE)
_KIND = re.compile(r"^\| `(\w+)` \| ([0-9]{3}) \|$", re.MULTILINE)


def _document() -> dict[str, Any]:
    return make_app(MemoryRelay(), ControlSettings(URLS, SECRET)).openapi()


def test_every_endpoint_is_there_with_its_status_and_no_other() -> None:
    shown = {
        (method, path, status) for method, path, status in _ENDPOINT.findall(read("docs/api.md"))
    }
    offered = {
        (method.upper(), path, min(operation["responses"]))
        for path, operations in _document()["paths"].items()
        for method, operation in operations.items()
    }
    assert shown == offered


def test_examples_are_those_of_the_document() -> None:
    schemas = _document()["components"]["schemas"]
    shown = [parse_json(block) for block in blocks("docs/api.md") if block.language == "json"]
    names = ["CallCreate", "CallCreated", "CallAccept", "CallAccepted", "DescriptionCreate"]
    names += ["Description", "CandidateCreate", "Candidate", "CallUpdate", "Call"]
    names += ["PartyCreate", "PortPartyCreated", "EndpointUpdate", "EndpointUpdated"]
    names += ["PermissionRequest", "Permission"]
    names += ["TurnRestCredential", "CloudflareCredentialCreate", "CloudflareIceServers"]
    names += ["TwilioCredential", "CloudflareFault", "TwilioFault", "Problem"]
    for block, name in zip(shown, names, strict=True):
        assert_shows(_in_order(block), _in_order(schemas[name]["example"]), name)


def test_every_body_that_is_asked_with_is_shown() -> None:
    document = _document()
    asked = {
        ref.rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        for ref in re.findall(r"'\$ref': '([^']+)'", str(operation.get("requestBody")))
    }
    examples = [document["components"]["schemas"][name]["example"] for name in asked]
    shown = [parse_json(b).keys() for b in blocks("docs/api.md") if b.language == "json"]
    assert [example for example in examples if example.keys() not in shown] == []


def _in_order(value: Any) -> Any:
    """The same with sorted keys, as the document has them; the page's are for reading."""
    return json.loads(json.dumps(value, sort_keys=True))


def test_every_kind_of_fault_is_there_with_its_status() -> None:
    shown = [(kind, int(status)) for kind, status in _KIND.findall(read("docs/api.md"))]
    assert shown == [(kind, status) for kind, (status, _) in KINDS.items()]


def test_open_paths_are_those_under_open() -> None:
    (section,) = re.findall(r"^## Open\n(.*?)^## ", read("docs/api.md"), re.M | re.S)
    paths = {path for path, required in ROUTES.items() if not required.needs_token}
    files = {path for path in paths if path.startswith("/docs/")}
    assert set(re.findall(r"`(?:GET )?(/[\w.]+)`", section)) == paths - files
