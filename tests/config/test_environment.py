"""`CALLVEIL__SECTION__KEY`: every key, as text, number, switch or list."""

import pytest

from relay.config import Settings, parse
from relay.config.environment import variables
from tests.config.faults import faults_of

VALUES = {
    "CALLVEIL__REALM": ("123", "123"),
    "CALLVEIL__FASTPATH__MODE": ("off", "off"),
    "CALLVEIL__FASTPATH__INTERFACES": ('["eth0", "eth1"]', ("eth0", "eth1")),
    "CALLVEIL__LIMITS__LEGS_PER_CALL": ("3", 3),
    "CALLVEIL__PRIVACY__STUN_BINDING": ("true", True),
    "CALLVEIL__PRIVACY__MASKING": ("opted_in", "opted_in"),
    "CALLVEIL__AUTH__TTL_S": ("60", 60),
}


@pytest.mark.parametrize(("name", "value"), VALUES.items())
def test_a_variable_sets_its_key(name: str, value: tuple[str, object]) -> None:
    settings: object = parse(b"", {name: value[0]})
    for part in variables()[name]:
        settings = getattr(settings, part)
    assert settings == value[1]


def test_there_is_a_variable_for_every_key() -> None:
    leaves = 0
    for field in Settings.model_fields.values():
        leaves += len(getattr(field.annotation, "model_fields", {0: 0}))
    assert len(variables()) == leaves
    assert variables()["CALLVEIL__RELAY__DENIED_PEERS"] == ("relay", "denied_peers")


def test_a_variable_wins_over_the_file_and_leaves_the_rest() -> None:
    settings = parse(
        b"limits: {legs_per_call: 3, packets_per_s: 7}", {"CALLVEIL__LIMITS__LEGS_PER_CALL": "5"}
    )
    assert (settings.limits.legs_per_call, settings.limits.packets_per_s) == (5, 7)


@pytest.mark.parametrize(
    "text", ["udp://127.0.0.1:1", "[udp://127.0.0.1:1]", '["udp://127.0.0.1:1"]']
)
def test_a_list_is_json_or_yaml_and_one_item_needs_no_brackets(text: str) -> None:
    settings = parse(b"", {"CALLVEIL__LISTEN": text})
    assert [listen.url for listen in settings.listen] == ["udp://127.0.0.1:1"]


def test_denied_peers_take_a_word_or_a_list() -> None:
    name = "CALLVEIL__RELAY__DENIED_PEERS"
    assert parse(b"", {name: "default"}).relay.denied_peers.default
    denied = parse(b"", {name: "[default, 198.51.100.0/24]"}).relay.denied_peers
    assert (denied.default, [str(each) for each in denied.networks]) == (True, ["198.51.100.0/24"])
    assert faults_of("", {name: "[]"})


def test_networks_of_phones_are_a_list_or_one() -> None:
    name = "CALLVEIL__PORTS__ALLOW_PRIVATE"
    for text in ("10.0.0.0/8", "[10.0.0.0/8]", '["10.0.0.0/8", "fd00::/8"]'):
        networks = parse(b"", {name: text}).ports.allow_private.networks
        assert str(networks[0]) == "10.0.0.0/8"
    assert parse(b"", {name: "[]"}).ports.allow_private.networks == ()


def test_a_variable_may_refer_to_a_secret() -> None:
    settings = parse(b"", {"CALLVEIL__AUTH__SECRETS": "env:OTHER", "OTHER": "elsewhere"})
    assert settings.auth.secrets[0].get_secret_value() == "elsewhere"


@pytest.mark.parametrize(
    "name", ["CALLVEIL__", "CALLVEIL__FOO", "CALLVEIL__RELAY", "CALLVEIL__Realm", "CALLVEIL__A\nB"]
)
def test_an_unknown_variable_is_a_fault_without_its_value(name: str) -> None:
    (line,) = faults_of("", {name: "hush"})
    assert "unknown variable" in line
    assert "hush" not in line


def test_the_nearest_variable_is_suggested() -> None:
    (line,) = faults_of("", {"CALLVEIL__RELAY__PORT": "1-2"})
    assert line == "CALLVEIL__RELAY__PORT: unknown variable; did you mean CALLVEIL__RELAY__PORTS?"


def test_other_variables_are_not_ours() -> None:
    assert (
        parse(b"", {"CALLVEIL_API_TOKEN": "x", "PATH": "y", "callveil__realm": "z"}) == Settings()
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CALLVEIL__LIMITS__LEGS_PER_CALL", "many"),
        ("CALLVEIL__LIMITS__LEGS_PER_CALL", ""),
        ("CALLVEIL__LIMITS__LEGS_PER_CALL", "8\x00"),
        ("CALLVEIL__LIMITS__LEGS_PER_CALL", "8\nbitrate_bps: 1"),
        ("CALLVEIL__PRIVACY__STUN_BINDING", "yes"),
        ("CALLVEIL__LISTEN", "[udp://127.0.0.1:1"),
        ("CALLVEIL__LISTEN", ""),
        ("CALLVEIL__LISTEN", "\udcff"),
        ("CALLVEIL__REALM", "\udcff"),
    ],
)
def test_a_value_that_cannot_be_read_is_a_fault_of_its_key(name: str, text: str) -> None:
    (line,) = faults_of("", {name: text})
    assert line.startswith(".".join(variables()[name]))
    line.encode()


def test_a_section_that_is_no_mapping_stays_the_files_fault() -> None:
    (line,) = faults_of("limits: 7", {"CALLVEIL__LIMITS__LEGS_PER_CALL": "5"})
    assert line == "limits: 7: expected a mapping"


def test_load_balancers_are_a_list_or_one() -> None:
    name, stream = "CALLVEIL__PROXY_PROTOCOL", b"listen: [tcp://127.0.0.1:3478]"
    for text in ("192.0.2.1", "[192.0.2.1]", '["192.0.2.1", "10.0.0.0/8", "2001:db8::/32"]'):
        networks = parse(stream, {name: text}).proxy_protocol.networks
        assert str(networks[0]) == "192.0.2.1/32"
    assert parse(stream, {name: "[]"}).proxy_protocol.networks == ()
