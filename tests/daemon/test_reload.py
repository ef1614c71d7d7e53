"""SIGHUP: all of a new configuration holds, or nothing has changed."""

import signal
import ssl
from pathlib import Path

import pytest

from tests.daemon.talking import hears, joined
from tests.kit import certificates
from tests.kit.api import TOKEN
from tests.kit.daemon import SECRET, Config, Daemon, config_of, place_of, running

NEW_SECRET, NEW_TOKEN = "another-secret-of-the-tests", "another-token-of-the-tests"


def reload(daemon: Daemon, config: Config) -> None:
    """Give it another configuration, which it takes."""
    daemon.configure(config)
    daemon.signal(signal.SIGHUP)
    daemon.until_said("reloaded")


def test_secrets_are_replaced_and_running_calls_go_on(daemon: Daemon) -> None:
    alice, bob = joined(daemon, daemon.create_call())
    reload(daemon, config_of(auth={"secrets": [NEW_SECRET, SECRET]}))
    fresh = daemon.create_call()  # minted with the first
    assert hears(*joined(daemon, fresh), b"new")
    assert daemon.stranger("old", "leg").allocate().code == 0  # both verify
    reload(daemon, config_of(auth={"secrets": [NEW_SECRET]}))
    assert daemon.stranger("older", "leg").allocate().code == 401
    assert daemon.stranger("newer", "leg", NEW_SECRET).allocate().code == 0
    assert hears(*joined(daemon, daemon.create_call()), b"newest")
    # What was allocated with the old one keeps its key.
    assert hears(alice, bob, b"still there?")
    assert alice.bind(0x4322, bob.relayed) == 400  # authenticated: the peer has a channel


def test_a_generated_secret_outlives_a_reload(tmp_path: Path) -> None:
    config = config_of(auth={})
    with running(tmp_path, config) as daemon:
        call = daemon.create_call()
        reload(daemon, config_of(auth={}, limits={"legs_per_call": 3}))
        assert hears(*joined(daemon, call), b"same secret")


def test_tokens_are_replaced(daemon: Daemon) -> None:
    reload(daemon, config_of(api={"listen": "127.0.0.1:0", "tokens": [NEW_TOKEN]}))
    assert daemon.ask("GET", "/v1/calls").status == 401
    assert daemon.ask("GET", "/v1/calls", token=NEW_TOKEN).status == 200


def test_the_last_token_stays_while_the_api_is_open_to_other_hosts(tmp_path: Path) -> None:
    """On loopback none is needed, but that is where it listens after a restart only."""
    api = {"listen": "0.0.0.0:0", "tokens": [TOKEN]}
    with running(tmp_path, config_of(api=api)) as daemon:
        daemon.configure(config_of(api={"listen": "127.0.0.1:0", "tokens": []}))
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reload_refused")
        assert daemon.ask("GET", "/v1/calls", token="").status == 401
        refused = daemon.ask("POST", "/v1/reload")
        assert refused.body["detail"].startswith(
            "1 fault: api.tokens: expected at least one token until"
        )


def test_limits_hold_for_later_calls(daemon: Daemon) -> None:
    before = daemon.create_call()
    reload(daemon, config_of(limits={"legs_per_call": 2, "bitrate_bps": 8000}))
    parties = [{"id": party} for party in "abc"]
    assert daemon.ask("POST", "/v1/calls", {"parties": parties}).status == 422
    alice, bob = joined(daemon, daemon.create_call())
    assert hears(alice, bob, bytes(500))  # half a second of 8,000 bit/s
    alice.send_on(0x4321, bytes(501))
    assert hears(bob, alice, b"back")
    assert hears(*joined(daemon, before), bytes(5000))
    assert daemon.drops("over_bitrate") == 1


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("limits: {legs_per_call: 1}\n", "limits.legs_per_call: expected "),
        ("auth: {secrets: [file:/nonexistent]}\n", "auth.secrets[0]: expected "),
        ("no such key: 1\n", "no such key: unknown key"),
        ("listn: []\n", "listn: unknown key; did you mean listen?"),
        ("listen: [udp://198.51.100.213]\n", "listen[0]: expected udp://"),
        ("listen: [\n", "line 3, column 1: not YAML"),
        ("tls: {certificate: /nonexistent, key: /nonexistent}\n", "tls.certificate: expected "),
    ],
)
def test_a_configuration_with_a_fault_changes_nothing_and_the_fault_is_named(
    daemon: Daemon, tmp_path: Path, broken: str, named: str
) -> None:
    alice, bob = joined(daemon, daemon.create_call())
    api = f"api: {{listen: '127.0.0.1:0', tokens: [{NEW_TOKEN}]}}\n"
    (tmp_path / "callveil.yaml").write_text(api + broken)
    daemon.signal(signal.SIGHUP)
    daemon.until_said("reload_refused")
    assert daemon.ask("GET", "/v1/calls", token=NEW_TOKEN).status == 401
    assert daemon.ask("POST", "/v1/reload", token=NEW_TOKEN).status == 401
    refused = daemon.ask("POST", "/v1/reload", token=TOKEN)
    assert refused.body["type"].endswith("bad_configuration")
    assert named in refused.body["detail"]
    assert "198.51.100.213" not in refused.body["detail"]
    assert daemon.stranger("call", "leg").allocate().code == 0
    assert hears(alice, bob, b"still there?")
    assert not any("Traceback" in line for line in daemon.lines)


def test_a_configuration_that_is_gone_changes_nothing(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "callveil.yaml").unlink()
    daemon.signal(signal.SIGHUP)
    daemon.until_said("reload_refused")
    assert hears(*joined(daemon, daemon.create_call()), b"as before")


def test_what_needs_a_restart_is_said(daemon: Daemon) -> None:
    daemon.configure(config_of(realm="another"))
    daemon.signal(signal.SIGHUP)
    assert "realm" in daemon.until_said("needs_restart")
    daemon.until_said("reloaded")
    assert daemon.stranger("call", "leg").allocate().code == 0  # in the old realm


def test_load_balancers_count_from_the_next_start_on(daemon: Daemon) -> None:
    listen = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]
    daemon.configure(config_of(listen=listen, proxy_protocol=["192.0.2.1"]))
    daemon.signal(signal.SIGHUP)
    assert "proxy_protocol" in daemon.until_said("needs_restart key=p|reloaded")


def test_what_needs_a_restart_is_what_differs_from_the_start(daemon: Daemon) -> None:
    for realm, count in (("another", 1), ("another", 2), ("callveil", 2)):
        reload(daemon, config_of(realm=realm))
        assert len([line for line in daemon.lines if "needs_restart" in line]) == count


def test_without_tls_in_it_a_configuration_is_taken_all_the_same(tmp_path: Path) -> None:
    """Its listeners go with the next start; until then they keep the certificate they have."""
    files = certificates.write(tmp_path / "tls")
    with running(tmp_path, config_of(listen=["tls://127.0.0.1:0"], tls=files.section)) as daemon:
        daemon.configure(config_of())
        daemon.signal(signal.SIGHUP)
        assert "needs_restart" in daemon.until_said("needs_restart|refused")
        daemon.until_said("reloaded")
        assert shown_to(daemon, files)


def shown_to(daemon: Daemon, trusted: certificates.Files) -> bytes:
    """The certificate that the daemon shows to a client, which trusts that one."""
    place = place_of(daemon.urls[0])
    context = trusted.trusting_context()
    with (
        daemon.connect(daemon.urls[0]) as sock,
        context.wrap_socket(sock, server_hostname=place.host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown
    return shown


def test_a_server_name_that_is_none_is_no_fault_of_ours(tmp_path: Path) -> None:
    """It would be a line in the log for each client that sends one."""
    files = certificates.write(tmp_path / "tls")
    with running(tmp_path, config_of(listen=["tls://127.0.0.1:0"], tls=files.section)) as daemon:
        with daemon.connect(daemon.urls[0]) as sock:
            sock.sendall(certificates.hello().replace(b"example", b"\xff" * 7))
            assert sock.recv(1) == b"\x16"  # a ServerHello, and no alert
        daemon.signal(signal.SIGINT)
        assert daemon.ended() == 0
        assert not any("uncaught" in line for line in daemon.lines)


@pytest.mark.parametrize("kinds", [(False, False), (True, False), (False, True)])
def test_a_renewed_certificate_is_shown_to_later_clients(
    tmp_path: Path, kinds: tuple[bool, bool]
) -> None:
    """Of the same kind of key or of the other."""
    old = certificates.write(tmp_path / "tls", is_rsa=kinds[0])
    config = config_of(listen=["tls://127.0.0.1:0"], tls=old.section)
    with running(tmp_path, config) as daemon:
        first = shown_to(daemon, old)
        renewed = certificates.write(tmp_path / "tls", is_rsa=kinds[1])
        with pytest.raises(ssl.SSLCertVerificationError):
            shown_to(daemon, renewed)
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reloaded")
        assert shown_to(daemon, renewed) != first


def test_a_certificate_without_its_key_changes_nothing(tmp_path: Path) -> None:
    old = certificates.write(tmp_path / "tls")
    with running(tmp_path, config_of(listen=["tls://127.0.0.1:0"], tls=old.section)) as daemon:
        other = certificates.write(tmp_path / "other")
        kept = certificates.Files(tmp_path / "kept.pem", old.key)
        kept.certificate.write_bytes(old.certificate.read_bytes())
        old.certificate.write_bytes(other.certificate.read_bytes())
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reload_refused")
        assert shown_to(daemon, kept)
