"""The commands against a daemon that runs, as a user types them in a second terminal."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import certificates
from tests.kit.command import callveil
from tests.kit.daemon import Daemon, serving

QUICK = ("--count", "5")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with serving(env={"CALLVEIL__LISTEN": "[udp://127.0.0.1:0, tcp://127.0.0.1:0]"}) as running:
        yield running


def create(daemon: Daemon) -> str:
    """A ringing call."""
    body = {"parties": [{"id": "a"}, {"id": "b"}], "ring": True}
    return str(daemon.ask("POST", "/v1/calls", body).body["id"])


def test_probe_without_a_secret_asks_the_api(daemon: Daemon) -> None:
    done = callveil("probe", "--api", daemon.api, *QUICK)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("own address: relay only; data from: relay only") == 2
    assert "loss         0.0% of 5 datagrams" in done.out


@pytest.mark.parametrize("index", [0, 1])
def test_probe_reports_as_json_over_udp_and_tcp(daemon: Daemon, index: int) -> None:
    url = daemon.urls[index]
    done = callveil("probe", "--api", daemon.api, "--url", url, "--json", *QUICK)
    report = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert (report["url"], report["sent"], report["received"], report["loss"]) == (url, 5, 5, 0)
    assert 0 < report["rtt_min_ms"] <= report["rtt_median_ms"] <= report["rtt_p99_ms"]
    assert report["faults"] == []
    only = {"mapped": "relay only", "source": "relay only"}
    assert report["seen"] == {"caller": only, "callee": only}


def test_probe_sees_that_legs_are_told_addresses_of_their_own() -> None:
    with serving(env={"CALLVEIL__PRIVACY__MASK_MAPPED_ADDRESS": "false"}) as unmasked:
        done = callveil("probe", "--api", unmasked.api, *QUICK)
    assert done.code == 1
    assert done.out.count("own address: an address of its own; data from: relay only") == 2
    assert done.err.count("check privacy.mask_mapped_address") == 2


def test_probe_ends_its_call(daemon: Daemon) -> None:
    callveil("probe", "--api", daemon.api, *QUICK)
    assert callveil("calls", "--api", daemon.api).out == "no calls\n"


def test_calls_are_listed_and_ended(daemon: Daemon) -> None:
    call = create(daemon)
    head, row = callveil("calls", "--api", daemon.api).out.splitlines()
    assert head.split() == ["CALL", "STATE", "RELAYED", "CONNECTED", "EXPIRES"]
    assert row.split()[:4] == [call, "ringing", "no", "0/2"]
    listed = json.loads(callveil("calls", "--api", daemon.api, "--json").out)
    assert [each["id"] for each in listed["calls"]] == [call]
    done = callveil("calls", "end", call, "--api", daemon.api)
    assert (done.code, done.out) == (0, f"ended {call}\n")
    assert callveil("calls", "--api", daemon.api).out == "no calls\n"


@pytest.mark.parametrize("call", ["cv_nope", "cv_/../../healthz", "a:b", "ü:", "x" * 507])
def test_an_unknown_call_cannot_be_ended(daemon: Daemon, call: str) -> None:
    done = callveil("calls", "--api", daemon.api, "end", call)
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith("callveil: the API refused (404): ")


def test_a_name_that_is_no_utf8_is_refused_in_one_line(daemon: Daemon) -> None:
    done = callveil("calls", "--api", daemon.api, "end", os.fsdecode(b"\xff\xfe"))
    assert (done.code, done.out) == (1, "")
    assert done.err == "callveil: the API refused (422): call: UTF-8 is expected\n"


@pytest.mark.parametrize("call", ["nope", "../../healthz", "a+b=", "~/x", ".."])
def test_what_has_not_begun_is_ended_beforehand(daemon: Daemon, call: str) -> None:
    for _ in range(2):
        done = callveil("calls", "--api", daemon.api, "end", call)
        assert (done.code, done.out, done.err) == (0, f"ended {call}\n", "")


def test_status(daemon: Daemon) -> None:
    done = callveil("status", "--api", daemon.api)
    assert done.code == 0
    assert "ready        yes" in done.out
    assert json.loads(callveil("status", "--api", daemon.api, "--json").out)["ready"] is True


def test_reload(daemon: Daemon) -> None:
    done = callveil("reload", "--api", daemon.api)
    assert (done.code, done.out) == (0, "reloaded\n")


def test_a_probe_with_the_wrong_secret_says_what_to_check(daemon: Daemon) -> None:
    done = callveil("probe", "--url", daemon.urls[0], "--secret", "wrong", *QUICK)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("callveil: Allocate was refused with 401: check that the secret")
    assert len(done.err.splitlines()) == 1


def test_a_probe_at_a_closed_port_says_what_to_check() -> None:
    for transport, words in (("udp", "no answer from"), ("tcp", "Connection refused")):
        url = f"turn:127.0.0.1:9?transport={transport}"
        done = callveil("probe", "--url", url, "--secret", "x", "--timeout", "0.3")
        assert (done.code, done.out) == (1, "")
        assert words in done.err
        assert len(done.err.splitlines()) == 1


def test_the_api_that_is_not_there_says_what_to_check() -> None:
    for command in (["status"], ["calls"], ["calls", "end", "x"], ["drain"], ["reload"], ["probe"]):
        done = callveil(*command, "--api", "http://127.0.0.1:9")
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            "callveil: no answer from http://127.0.0.1:9: Connection refused; "
            "check that callveil serve runs there\n"
        )


class _Other(http.server.BaseHTTPRequestHandler):
    """Something that is no callveil."""

    status, body = 200, b""

    def do_GET(self) -> None:
        body = self.body
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: it would be on the terminal."""


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, b'{"detail": "Use localhost."}', "the API refused (403): Use localhost."),
        (502, b"<html>", "the API refused (502): Bad Gateway"),
        (599, b"", "the API refused (599): a status that HTTP does not have"),
        (200, b"<html>", "the answer is not JSON; check that --api names a callveil"),
        (200, b"{}", "the answer has no calls; check that --api names a callveil"),
    ],
)
def test_what_is_no_callveil_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, said: str
) -> None:
    monkeypatch.setattr(_Other, "status", status)
    monkeypatch.setattr(_Other, "body", body)
    with http.server.HTTPServer(("127.0.0.1", 0), _Other) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        done = callveil("calls", "--api", f"http://127.0.0.1:{server.server_port}")
    assert (done.code, done.err) == (1, f"callveil: {said}\n")


@pytest.mark.parametrize("url", [[], ["--api", "http://127.0.0.1:9"]])
def test_a_token_that_no_header_can_hold_is_a_fault_of_the_configuration(url: list[str]) -> None:
    done = callveil("status", *url, env={"CALLVEIL_API_TOKEN": "tökén"})
    assert (done.code, done.err) == (2, "callveil: CALLVEIL_API_TOKEN: expected printable ASCII\n")


def test_a_token_comes_from_the_configuration_or_the_environment(tmp_path: Path) -> None:
    token = "t0ken-of-the-test"
    path = tmp_path / "callveil.yaml"
    path.write_text(f"api: {{tokens: [{token}]}}\n")
    with serving("--config", str(path)) as running:
        assert callveil("status", "--api", running.api).code == 1
        refused = callveil("status", "--api", running.api, env={"CALLVEIL_API_TOKEN": "wrong"})
        assert (refused.code, "refused the token" in refused.err) == (1, True)
        env = {"CALLVEIL__API__LISTEN": running.api.removeprefix("http://")}
        assert callveil("status", "--config", str(path), env=env).code == 0
        assert callveil("status", env={**env, "CALLVEIL_API_TOKEN": token}).code == 0
        # The configuration's token is for the configuration's own address.
        assert callveil("status", "--config", str(path), "--api", running.api).code == 1


SECRET = "0123456789abcdef"


def tls_configuration(directory: Path, *hosts: str) -> tuple[Path, Path]:
    """A configuration with a certificate for these hosts; and the certificate."""
    files = certificates.write(directory / "tls", hosts=hosts)
    path = directory / "callveil.yaml"
    tls = f"tls: {{certificate: {files.certificate}, key: {files.key}}}"
    path.write_text(f"auth: {{secrets: [{SECRET}]}}\n{tls}\n")
    return path, files.certificate


def test_a_probe_with_the_configured_secret_over_tls(tmp_path: Path) -> None:
    path, certificate = tls_configuration(tmp_path, "127.0.0.1")
    other = certificates.write(tmp_path / "other").certificate
    with serving("--config", str(path), env={"CALLVEIL__LISTEN": "tls://127.0.0.1:0"}) as running:
        (url,) = running.urls
        trusted = callveil("probe", "--config", str(path), "--url", url, *QUICK)
        assert (trusted.code, trusted.err) == (0, "")
        port = url.rpartition(":")[2].partition("?")[0]
        env = {"CALLVEIL__LISTEN": f"tls://127.0.0.1:{port}"}
        assert callveil("probe", "--config", str(path), *QUICK, env=env).code == 0
        arguments = ["--url", url, "--secret", SECRET]
        assert callveil("probe", *arguments, "--ca", str(certificate), *QUICK).code == 0
        for trust in ([], ["--ca", str(other)]):
            refused = callveil("probe", *arguments, *trust)
            assert (refused.code, refused.out) == (1, "")
            assert "check the certificate and --ca" in refused.err
            assert len(refused.err.splitlines()) == 1


def test_a_probe_does_not_take_a_certificate_that_is_for_another_host(tmp_path: Path) -> None:
    """As no client that is told this URL would, whoever is trusted."""
    path, certificate = tls_configuration(tmp_path, "localhost", "192.0.2.7")
    with serving("--config", str(path), env={"CALLVEIL__LISTEN": "tls://127.0.0.1:0"}) as running:
        (url,) = running.urls
        for trust in (["--config", str(path)], ["--ca", str(certificate), "--secret", SECRET]):
            refused = callveil("probe", "--url", url, *trust)
            assert (refused.code, refused.out) == (1, "")
            assert refused.err == (
                f"callveil: TLS with {url}: the certificate is not for 127.0.0.1; "
                "probe the name that clients are told: --url\n"
            )
            named = url.replace("127.0.0.1", "localhost")
            assert callveil("probe", "--url", named, *trust, *QUICK).code == 0


def test_a_drained_daemon_ends_well_and_has_logged_no_address() -> None:
    with serving("--log-level", "debug", "--log-json") as running:
        assert callveil("probe", "--api", running.api, *QUICK).code == 0
        done = callveil("drain", "--api", running.api)
        assert (done.code, done.out) == (0, "draining\n")
        assert running.stop() == 0
        said = [json.loads(line) for line in running.lines]
        assert "ready" in [line["event"] for line in said]
        assert "127.0.0.1" not in json.dumps([line for line in said if line["event"] != "ready"])


def test_the_daemon_ends_well_when_it_is_interrupted() -> None:
    with serving() as running:
        assert running.stop() == 0


def test_a_port_that_is_taken_is_one_line() -> None:
    with serving() as running:
        taken = running.urls[0].partition(":")[2].partition("?")[0]
        env = {"CALLVEIL__LISTEN": f"udp://{taken}", "CALLVEIL__API__LISTEN": "127.0.0.1:0"}
        done = callveil("serve", env=env)
        assert done.code == 1
        assert len(done.err.splitlines()) == 1
        assert "callveil: " in done.err
