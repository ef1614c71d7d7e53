"""docs/signaling/prosody.md, with Prosody: what it tells clients of works at the relay."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.kit.program import Program
from tests.kit.requirements import PACKAGES, require
from tests.kit.turn import Credential
from tests.signaling.stage import (
    EXAMPLES_ARE_NETWORKS,
    MEDIA_SERVER,
    Place,
    assert_does_not_reach,
    assert_media_crosses,
    assert_reaches,
    block,
    expiry,
    relaying,
    rest,
    run_checks,
)
from tests.signaling.xmpp import XmppClient

_AT = ("127.0.0.1", 5222)
_DOMAIN = "example.org"
_AROUND = """\
run_as_root = true
data_path = "{home}/data"
pidfile = "{home}/prosody.pid"
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_require_encryption = false
modules_enabled = {{ "saslauth", "disco", "posix", "{module}" }}
modules_disabled = {{ "s2s" }}
authentication = "anonymous"
{recipe}
VirtualHost "{domain}"
"""


@pytest.fixture(scope="module", autouse=True)
def installed(host: None) -> None:
    """Skip, or fail under CI, where Prosody is not."""
    require({**PACKAGES, "prosody": "prosody"})


@contextmanager
def _prosody(home: Path, module: str) -> Iterator[None]:
    """Prosody with a module, configured as the recipe says."""
    recipe = block("prosody", "lua", having=f"{module}_" if "turn" in module else module)
    config = home / "prosody.cfg.lua"
    config.write_text(_AROUND.format(home=home, module=module, recipe=recipe, domain=_DOMAIN))
    (home / "data").mkdir()
    with Program(["prosody", "-F", "--config", str(config)], home / "prosody.log") as program:
        program.until_said("Activated service 'c2s'")
        yield


@pytest.fixture
def place(host: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with relaying(
        tmp_path_factory.mktemp("relay"), block("prosody", "yaml", having="peers: relay")
    ) as made:
        yield made


def _services() -> list[dict[str, str]]:
    with XmppClient(_DOMAIN, _AT) as client:
        return client.services(block("prosody", "xml"))


def _credential(service: dict[str, str]) -> Credential:
    return Credential(service["username"], service["password"])


def test_every_service_that_prosody_names_gives_an_allocation(place: Place, tmp_path: Path) -> None:
    with _prosody(tmp_path, "external_services"):
        services = _services()
    kinds = [(each["type"], each["transport"], each["port"]) for each in services]
    assert kinds == [("turn", "udp", "3478"), ("turn", "tcp", "3478"), ("turns", "tcp", "443")]
    assert {each["host"] for each in services} == {"turn.example.org"}
    assert all(each["username"].isdecimal() for each in services)
    for service, transport in zip(services, ("udp", "tcp", "tls"), strict=True):
        with (
            place.client(_credential(service), transport) as one,
            place.client(_credential(services[0])) as other,
        ):
            assert_media_crosses(one, other)


def test_the_smaller_module_gives_one_for_turn_and_none_for_turns(
    place: Place, tmp_path: Path
) -> None:
    with _prosody(tmp_path, "turn_external"):
        services = {(each["type"], each["transport"]): each for each in _services()}
    assert set(services) == {(kind, how) for kind in ("stun", "turn") for how in ("udp", "tcp")}
    with (
        place.client(_credential(services["turn", "udp"])) as one,
        place.client(_credential(services["turn", "tcp"]), "tcp") as other,
    ):
        assert_media_crosses(one, other)


def test_the_bridge_is_reached_from_the_relay_and_nothing_else_is(tmp_path: Path) -> None:
    configuration = yaml.safe_load(block("prosody", "yaml", having="peers: relay"))
    configuration |= yaml.safe_load(block("prosody", "yaml", having="peers: listed"))
    with (
        relaying(tmp_path, yaml.safe_dump(configuration), EXAMPLES_ARE_NETWORKS) as place,
        place.client(rest(str(expiry()))) as client,
    ):
        assert_reaches(client, MEDIA_SERVER, 10_000)
        assert_does_not_reach(client, MEDIA_SERVER, 10_001)


def test_the_checks_of_the_page_succeed(place: Place) -> None:
    assert "ok" in run_checks("prosody", place)[0].out
