"""The example for Node, run by Node: a call from its creation to its end, faults, and names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.client import verbs
from tests.docs.pages import ROOT
from tests.kit import wire
from tests.kit.api import TOKEN
from tests.kit.daemon import SECRET, Daemon, config_of, running
from tests.kit.node import node
from tests.kit.turn import Credential

NODE = ROOT / "examples/node"
NOT_IN_NODE = {"create_ports_call", "list_some_calls", "drain", "reload", "is_ready"}
"""Verbs of a mode that `createCall` takes too, and of operators."""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """It asks for a token."""
    with running(tmp_path_factory.mktemp("daemon")) as daemon:
        yield daemon


def evaluated(relay: Daemon, script: str, token: str = TOKEN) -> Any:
    """What a script of a few lines makes of the client `callveil`; a fault is an object."""
    program = f"""
        import {{ Callveil }} from "{(NODE / "callveil.mjs").as_uri()}";
        import {{ inspect }} from "node:util";
        const callveil = new Callveil("{relay.api}/", process.env.CALLVEIL_API_TOKEN);
        const shown = (error) => ({{ ...error, message: error.message, all: inspect(error) }});
        const main = async () => {{ {script} }};
        console.log(JSON.stringify((await main().catch(shown)) ?? null));
    """
    done = node("--input-type=module", "--eval", program, token=token)
    assert done.code == 0, done.err
    assert TOKEN not in done.out + done.err
    return json.loads(done.out)


def test_a_call_from_its_creation_to_its_end(relay: Daemon) -> None:
    done = node(str(NODE / "one_call.mjs"), relay.api, token=TOKEN)
    assert (done.code, done.out.splitlines()[:5]) == (
        0,
        [
            "ringing, masked: alice, bob",
            "alice is told to use relay",
            "bob is told to use relay",
            "active",
            "Bob is told no address of hers",
        ],
    )
    assert done.out.splitlines()[5].startswith("removed: origin")
    assert done.out.splitlines()[6:] == ["ended"]
    assert relay.ask("GET", "/v1/calls").body["calls"] == []


def test_a_fault_is_said_in_one_line_without_the_token(relay: Daemon) -> None:
    refused = node(str(NODE / "one_call.mjs"), relay.api, token="another-token")
    silent = node(str(NODE / "one_call.mjs"), "http://127.0.0.1:9", token=TOKEN)
    assert (refused.code, silent.code) == (1, 1)
    assert refused.err.splitlines()[-1].endswith("(unauthenticated)")
    assert silent.err.splitlines()[-1] == "The relay does not answer. (no answer)"
    assert "another-token" not in refused.err
    assert TOKEN not in silent.err


def test_a_refusal_has_its_status_its_kind_and_its_call(relay: Daemon) -> None:
    call = relay.create_call()
    fault = evaluated(relay, f'return callveil.acceptCall("{call["id"]}")')
    assert (fault["status"], fault["kind"], fault["call"]) == (409, "wrong_state", call["id"])
    assert fault["message"] == "Only a ringing call can be accepted. This call is active."
    listed = (
        "const ids = []; for await (const c of callveil.listCalls()) ids.push(c.id); return ids"
    )
    assert evaluated(relay, listed) == [call["id"]]
    relay.end_call(call)


def test_a_party_joins_gets_privacy_and_leaves(relay: Daemon) -> None:
    script = """
        const made = await callveil.createCall([{id: "a"}, {id: "b"}], {ring: false});
        const parties = [{id: "a", enhanced_call_privacy: true}, {id: "c"}];
        const changed = await callveil.changeCall(made.id, {parties});
        await callveil.endParty(made.id, "c");
        const {parties: left} = await callveil.showCall(made.id);
        const sent = {candidate: "", sdpMid: "0"};
        const candidate = await callveil.rebuildCandidate(made.id, "a", sent);
        await callveil.endCall(made.id);
        return [made.relayed, changed.relayed, Object.keys(left), candidate.held];
    """
    assert evaluated(relay, script) == [False, True, ["a", "b"], False]


def test_ports_mode(relay: Daemon) -> None:
    script = """
        const made = await callveil.createCall([{id: "a"}, {id: "b"}], {mode: "ports"});
        const address = {address: "127.0.0.1", port: 50000};
        const {endpoint} = await callveil.setEndpoint(made.id, "a", {address});
        await callveil.endCall(made.id);
        return [made.parties.a.endpoint.port === endpoint.port, (await callveil.status()).ready];
    """
    assert evaluated(relay, script) == [True, True]


@pytest.mark.parametrize("name", ["a/b", "../../healthz", "a+b=c", "n" * 400])
def test_a_call_of_any_name_is_ended(relay: Daemon, name: str) -> None:
    assert evaluated(relay, f"return callveil.endCall({json.dumps(name)})") is None
    assert evaluated(relay, f"return (await callveil.showCall({json.dumps(name)})).id") == name


def test_a_user_is_revoked(relay: Daemon, tmp_path: Path) -> None:
    fault = evaluated(relay, 'return callveil.revokeUser("@alice:example.org")')
    assert (fault["status"], fault["kind"]) == (409, "no_users")
    username = "4000000000:@alice/x:example.org"
    with running(tmp_path, config_of(relay={"peers": "relay"})) as wide:
        client = wide.client(Credential(username, wire.rest_password(SECRET, username)))
        for call, code in (('"@alice/x:example.org"', 403), ('"@alice/x:example.org", 0', 0)):
            assert evaluated(wide, f"return callveil.revokeUser({call})") is None
            assert client.allocate().code == code


def test_node_has_the_verbs_that_python_has() -> None:
    text = (NODE / "callveil.mjs").read_text()
    methods = set(re.findall(r"^  (?:async \*)?(\w+)\(", text, re.MULTILINE)) - {"constructor"}
    named = {re.sub(r"[A-Z]", lambda each: f"_{each[0].lower()}", name) for name in methods}
    exported = {name for name in dir(verbs) if callable(getattr(verbs, name))} & named
    assert named - exported == {"list_calls"}
    here = {name for name, verb in vars(verbs).items() if _is_verb(name, verb)}
    assert here - named == NOT_IN_NODE


def _is_verb(name: str, verb: Any) -> bool:
    return getattr(verb, "__module__", "") == verbs.__name__ and not name.startswith("_")


def test_without_node_the_test_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CI", "CALLVEIL_TEST_NO_SKIPS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install nodejs"):
        node("--version")
