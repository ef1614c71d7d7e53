"""Whatever an operator writes: it is ready, or it says in a line each what is wrong."""

import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon.starting import start, write
from tests.kit import certificates

_OWN = f"127.{os.getpid() % 251 + 1}.7"
"""Loopback addresses that no other run of these tests has: ports on them may be any."""
_NOWHERE = "198.51.100.7"
_LINE = re.compile(r"callveil: [^\n]+|ready turn.*|\S+Z \w+ relay[.\w]* \w+.*")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """File names that may stand under `tls`."""
    directory = tmp_path_factory.mktemp("tls")
    good = certificates.write(directory / "good", hosts=[f"{_OWN}.1"])
    old = certificates.write(directory / "old", days=(-2, -1))
    return {
        "certificate": str(good.certificate),
        "key": str(good.key),
        "old": str(old.certificate),
        "old key": str(old.key),
        "directory": str(directory),
    }


def _mostly(usual: Sequence[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One odd value in so many usual ones: else hardly any document is without a fault."""
    return st.integers(0, 7).flatmap(lambda n: st.sampled_from(usual) if n else odd)


_URLS = st.builds(
    "{}://{}:{}".format,
    st.sampled_from(["udp", "tcp", "tls"]),
    _mostly([f"{_OWN}.1", f"{_OWN}.2", "[::1]"], st.sampled_from([_NOWHERE, "10.255.255.7"])),
    _mostly([0, 0, 3478, 8080], st.sampled_from([5349, 80, 65535, 50000])),
)
_WILDCARDS = ["udp://0.0.0.0:0", "tcp://[::]:0", "udp://[::]:0", "tls://0.0.0.0:0"]
_ADDRESSES = ["127.0.0.1", "::1", _NOWHERE, f"{_NOWHERE}/{_OWN}.1", "10.0.0.7", "fd00::7"]
_FILES = [("certificate", "key"), ("certificate", "key"), ("old", "old key"), ("", "")]
_DOCUMENTS = st.fixed_dictionaries(
    {
        "listen": st.lists(_mostly([f"udp://{_OWN}.1:0"], _URLS) | _URLS, min_size=1, max_size=3)
        | st.lists(st.sampled_from(_WILDCARDS), min_size=1, max_size=2),
        "relay": st.fixed_dictionaries(
            {
                "addresses": _mostly(
                    [[f"{_OWN}.1"], [_NOWHERE]], st.lists(st.sampled_from(_ADDRESSES))
                )
            },
            optional={
                "ports": st.sampled_from(["1024-1024", "49152-65535", "3478-3478"]),
                "peers": st.sampled_from(["call", "relay"]),
            },
        ),
        "api": st.fixed_dictionaries(
            {
                "listen": _mostly(
                    [f"{_OWN}.1:{port}" for port in (0, 3478, 8080)] + ["[::]:0"],
                    st.sampled_from([f"{_OWN}.1:65535", f"{_NOWHERE}:0", "[::1]:0", "0.0.0.0:0"]),
                ),
                "tokens": _mostly([["t" * 16], ["t" * 16]], st.just([]) | st.just(["ü" * 16])),
            }
        ),
        "tls": st.builds(
            lambda files: {"certificate": files[0], "key": files[1]},
            _mostly(_FILES, st.tuples(*[st.sampled_from(["key", "old", "directory", "/no"])] * 2)),
        ),
        "user": _mostly(
            [""], st.sampled_from(["nobody", "cvnobody0", "a\0b", "\ud800"]) | st.text()
        ),
    },
    optional={
        "realm": _mostly(["a", "ü"], st.text(max_size=8)),
        "auth": _mostly(
            [{"secrets": ["s" * 16]}, {"users": {"a:b": "p" * 16}}],
            st.builds(lambda text: {"secrets": [text]}, st.text())
            | st.builds(lambda users: {"users": users}, st.dictionaries(st.text(), st.text())),
        ),
        "privacy": st.fixed_dictionaries(
            {"masking": st.sampled_from(["both", "opted_in"]), "stun_binding": st.booleans()}
        ),
        "fastpath": st.fixed_dictionaries(
            {
                "mode": _mostly(["off", "auto"], st.just("require")),
                "interfaces": st.just(["cv-none"]),
            }
        ),
    },
)


def _whole(document: dict[str, Any], files: dict[str, str]) -> str:
    """Where nothing is said, ports that the kernel chooses and no program in the kernel."""
    document = {
        "listen": [f"udp://{_OWN}.1:0"],
        "api": {"listen": f"{_OWN}.1:0"},
        "fastpath": {"mode": "off"},
        **document,
    }
    tls = document.get("tls", {})
    document["tls"] = {key: files.get(name, name) for key, name in tls.items()}
    return json.dumps(document)


def _assert_said(directory: Path, content: str) -> int:
    """Start it; every line is one of the known kinds. Returns: the exit code."""
    path = write(directory, content)
    code, lines = start(["serve", "--config", str(path)])
    shown = "\n".join([content, *lines])
    assert code in (0, 1, 2), shown
    assert all(_LINE.fullmatch(line) for line in lines), shown
    assert not re.search("internal fault|uncaught|_failed|Traceback", shown), shown
    assert (code == 0) == any(line.startswith("ready ") for line in lines), shown
    return code


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=_DOCUMENTS)
def test_a_configuration_starts_or_says_what_is_wrong(
    tmp_path: Path, files: dict[str, str], document: dict[str, Any]
) -> None:
    _assert_said(tmp_path, _whole(document, files))


def _wrong() -> Iterator[tuple[str, int]]:
    """What somebody once wrote, and how it ends."""
    own, other = f"{_OWN}.1", f"{_OWN}.2"
    api = f"api: {{listen: '{own}:4000'}}\n"
    yield f"{api}listen: ['tcp://{own}:4000']", 2
    yield f"{api}listen: ['tls://{own}:4000']", 2
    yield f"{api}listen: ['udp://{own}:4000']", 0
    yield f"{api}listen: ['tcp://{other}:4000']", 0
    yield f"{api}listen: ['udp://{own}:4001', 'udp://{own}:4001']", 2
    yield f"{api}listen: ['tcp://{own}:4001', 'tls://{own}:4001']", 2
    yield f"{api}listen: ['tcp://{own}:4001', 'tcp://{other}:4001']", 0
    yield f"{api}listen: ['udp://{_NOWHERE}:4001']\nrelay: {{addresses: [{_NOWHERE}]}}", 1
    yield f"api: {{listen: '{_NOWHERE}:0', tokens: [{'t' * 16}]}}\n", 1
    yield f"{api}user: cvnobody0\nlisten: ['udp://{own}:0']", 1
    yield f'{api}user: "a\\0b"\nlisten: ["udp://{own}:0"]', 2
    yield f"{api}listen: []", 2
    yield f"{api}listen: 7", 2
    yield f"{api}listen: ~", 2
    yield f"{api}relay: ~\nlisten: ['udp://{own}:0']", 0
    yield f"{api}fastpath: {{mode: require, interfaces: [cv-none]}}\nlisten: ['udp://{own}:0']", 1
    yield f"{api}fastpath: {{mode: require}}\nlisten: ['tcp://{own}:0']", 1
    yield f"{api}tls: {{certificate: /dev/zero, key: /dev/zero}}\nlisten: ['tls://{own}:0']", 2
    yield f'{api}tls: {{certificate: "a\\0b", key: "a\\0b"}}\nlisten: ["tls://{own}:0"]', 2
    yield f'{api}auth: {{secrets: ["file:a\\0b"]}}', 2
    yield f'{api}auth: {{secrets: ["file:/dev/zero"]}}', 2
    yield f'{api}state: {{directory: "a\\0b"}}', 2
    yield "\ufeff" + f"{api}listen: ['udp://{own}:0']", 0
    yield f"{api}realm: \"\\ud800\"\nlisten: ['udp://{own}:0']", 2


@pytest.mark.parametrize("content", list(_wrong()), ids=itertools.count())
def test_what_somebody_once_wrote(tmp_path: Path, content: tuple[str, int]) -> None:
    text, code = content
    if "fastpath" not in text:
        text += "\nfastpath: {mode: 'off'}"
    assert _assert_said(tmp_path, text) == code


def test_every_example_is_yaml_as_well(files: dict[str, str]) -> None:
    """JSON is how the documents of these tests are written."""
    assert yaml.safe_load(_whole({"user": "x"}, files))["user"] == "x"
