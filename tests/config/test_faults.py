"""Every value that is refused: one line with key, value and what is expected."""

import pytest

from tests.config.faults import faults_of

WHOLE_NUMBERS = {
    "auth.ttl_s": 2_592_000,
    "limits.legs_per_call": 1024,
    "limits.allocations_per_leg": 64,
    "limits.bitrate_bps": 10**11,
    "limits.packets_per_s": 10**8,
    "limits.call_duration_s": 2_592_000,
    "limits.unauthenticated_per_s": 1_000_000,
    "fastpath.lease_s": 3600,
}


@pytest.mark.parametrize(("key", "most"), WHOLE_NUMBERS.items())
@pytest.mark.parametrize("value", ["0", "-1", "true", "'8'", "1.5", "[]", "~", "over"])
def test_limits_are_positive_whole_numbers_up_to_a_maximum(key: str, most: int, value: str) -> None:
    section, name = key.split(".")
    value = str(most + 1) if value == "over" else value
    (line,) = faults_of(f"{section}: {{{name}: {value}}}")
    assert line.startswith(f"{key}: ")
    least = 2 if name == "legs_per_call" else 1  # a call has two parties
    assert f"expected a whole number from {least} to {most}" in line


SWITCHES = [
    ("relay.peers", "expected call, relay, listed or any"),
    ("privacy.policy", "expected asked or always"),
    ("privacy.masking", "expected both or opted_in"),
    ("privacy.log_addresses", "expected never or keyed"),
    ("fastpath.mode", "expected auto, off or require"),
    ("auth.require_registered_call", "expected true or false"),
    ("privacy.mask_mapped_address", "expected true or false"),
    ("privacy.stun_binding", "expected true or false"),
]


@pytest.mark.parametrize(("key", "expected"), SWITCHES)
@pytest.mark.parametrize("value", ["sideways", "7", "[call]", "~", "yes"])
def test_switches_take_their_words_only(key: str, expected: str, value: str) -> None:
    section, name = key.split(".")
    (line,) = faults_of(f"{section}: {{{name}: {value}}}")
    assert line.startswith(f"{key}: ")
    assert line.endswith(expected)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:3478",
        "udp:127.0.0.1:3478",
        "dtls://127.0.0.1:3478",
        "UDP://127.0.0.1:3478",
        "udp://localhost:3478",
        "udp://127.0.0.1",
        "udp://127.0.0.1:",
        "udp://127.0.0.1:65536",
        "udp://127.0.0.1:-1",
        "udp://127.0.0.1:\u0663478",
        "udp://::1:3478",
        "udp://[::1]",
        "udp://[127.0.0.1]:3478x",
        "udp://[fe80::1%eth0]:3478",
        "udp://[::g]:3478",
        "udp://127.1:3478",
        "udp://0x7f000001:3478",
        "udp://127.0.0.01:3478",
        "udp://user@127.0.0.1:3478",
        "udp://127.0.0.1:3478/",
        "udp://224.0.0.1:3478",
        "udp://[ff02::1]:3478",
        "udp://255.255.255.255:3478",
        "",
        " udp://127.0.0.1:3478",
    ],
)
def test_a_listener_that_is_none_is_named(url: str) -> None:
    (line,) = faults_of(f"listen: ['{url}']")
    assert line.startswith("listen[0]: ")
    assert "expected" in line


@pytest.mark.parametrize("value", ["[]", "udp://127.0.0.1:3478", "{}", "7", "~"])
def test_listen_is_a_list_of_at_least_one(value: str) -> None:
    (line,) = faults_of(f"listen: {value}")
    assert line.startswith("listen: ")
    assert "at least one listener" in line


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104  refused
        "::",
        "relay.example.org",
        "192.0.2.1/::1",
        "192.0.2.1/",
        "/192.0.2.1",
        "192.0.2.1/192.0.2.2/192.0.2.3",
        "192.0.2.1/0.0.0.0",
        "224.0.0.1",
        "192.0.2.1:3478",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "",
    ],
)
def test_a_relay_address_that_is_none_is_named(address: str) -> None:
    (line,) = faults_of(f"relay: {{addresses: ['{address}']}}")
    assert line.startswith("relay.addresses[0]: ")
    assert "expected" in line


@pytest.mark.parametrize(
    "ports", ["1023-2000", "50000", "2000-1999", "-1-5", "49152-65536", "a-b", "1024 - 2000", ""]
)
def test_a_port_range_that_is_none_is_named(ports: str) -> None:
    assert faults_of(f"relay: {{ports: '{ports}'}}") == [
        f"relay.ports: {ports!r}: expected LOW-HIGH, both from 1024 to 65535, LOW not above HIGH"
    ]


@pytest.mark.parametrize("value", ["[]", "''", "none", "[default, 10.0.0.1/8]", "[7]", "{}", "~"])
@pytest.mark.parametrize("key", ["relay.denied_peers", "ports.denied"])
def test_what_is_denied_is_something(key: str, value: str) -> None:
    section, name = key.split(".")
    (line,) = faults_of(f"{section}: {{{name}: {value}}}")
    assert line.startswith(f"{key}: ")


@pytest.mark.parametrize(
    "value",
    [
        *("'10.0.0.1/8'", "[7]", "[default]", "[10.0.0.0/7]", "[0.0.0.0/0]", "['::/0']", "{}", "~"),
        *("[8.8.8.0/24]", "[127.0.0.0/8]", "[169.254.0.0/16]", "['fe80::/10']", "[224.0.0.0/4]"),
    ],
)
def test_what_is_allowed_besides_is_within_special_use_ranges(value: str) -> None:
    (line,) = faults_of(f"ports: {{allow_private: {value}}}")
    assert line.startswith("ports.allow_private: ")
    assert "expected a list of networks within special-use ranges" in line


@pytest.mark.parametrize(
    "value",
    [
        *("'10.0.0.1/8'", "[7]", "[default]", "[lb.example.org]", "{}", "~", "[[]]", "['']"),
        *("[0.0.0.0/0]", "[0.0.0.0/1]", "[10.0.0.0/7]", "['::/0']", "['2000::/3']", "[fd00::/31]"),
        *("['::ffff:10.0.0.1']", "['::ffff:0:0/96']", "['fe80::1%lo']", "['192.0.2.1:443']"),
    ],
)
def test_load_balancers_are_addresses_or_networks_of_ones_own(value: str) -> None:
    (line,) = faults_of(f"listen: [tcp://127.0.0.1:3478]\nproxy_protocol: {value}")
    assert line.startswith("proxy_protocol: ")
    assert "expected a list of addresses, or networks no wider than /8" in line


@pytest.mark.parametrize(
    "realm", ["''", "7", "[a]", "~", '"a\\nb"', "'say \"hi\"'", "a\\b", "x" * 128]
)
def test_a_realm_fits_into_the_attribute_and_its_quotes(realm: str) -> None:
    (line,) = faults_of(f"realm: {realm}")
    assert line.startswith("realm: ")


@pytest.mark.parametrize("listen", ["8080", "'127.0.0.1'", "'example.org:80'", "'[::1]'", "':1'"])
def test_an_api_address_is_numeric_with_a_port(listen: str) -> None:
    (line,) = faults_of(f"api: {{listen: {listen}}}")
    assert line.startswith("api.listen: ")


@pytest.mark.parametrize("interfaces", ["eth0", "[a b]", "['']", "[abcdefghijklmnop]", "[a/b]"])
def test_an_interface_is_a_name_that_the_kernel_knows(interfaces: str) -> None:
    (line,) = faults_of(f"fastpath: {{interfaces: {interfaces}}}")
    assert line.startswith("fastpath.interfaces")


@pytest.mark.parametrize("value", ["7", "text", "[]", "true"])
def test_a_section_is_a_mapping(value: str) -> None:
    (line,) = faults_of(f"limits: {value}")
    assert line.endswith(": expected a mapping")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("relm: x", "relm: unknown key; did you mean realm?"),
        ("relay: {port: 1-2}", "relay.port: unknown key; did you mean ports?"),
        ("auth: {secret: [x]}", "auth.secret: unknown key; did you mean secrets?"),
        ("verbosity: 3", "verbosity: unknown key"),
        ("demo: true", "demo: unknown key"),
        ("7: x", "7: unknown key"),
        ('"a\\nb": x', "a\\nb: unknown key"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(content: str, line: str) -> None:
    assert faults_of(content) == [line]


def test_every_fault_is_told_at_once() -> None:
    lines = faults_of("realm: 7\nrelay: {ports: x, peers: y}\nlimits: {legs_per_call: 0}\nfoo: 1")
    assert [line.split(":")[0] for line in lines] == [
        "realm",
        "relay.ports",
        "relay.peers",
        "limits.legs_per_call",
        "foo",
    ]


def test_a_long_value_is_cut() -> None:
    (line,) = faults_of(f"realm: {'x' * 5000}")
    assert len(line) < 200
