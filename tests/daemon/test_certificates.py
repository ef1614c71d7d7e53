"""The certificate's files are looked at while the daemon runs: no reload, no restart, no loss."""

import asyncio
import getpass
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

import relay.daemon.certificates as module
from relay.config import Settings, parse
from relay.daemon.certificates import Certificates
from relay.metrics import CertificateState
from tests.daemon.talking import CHANNEL, join
from tests.kit import certificates, wire
from tests.kit.certificates import Files
from tests.kit.daemon import Config, Daemon, config_of, configured, place_of
from tests.kit.polling import PATIENCE_S, wait_until
from tests.kit.requirements import insist
from tests.kit.sockets import TurnClient
from tests.kit.turn import credential_of

NAME = "turn.example.org"
_LOOK_S = 0.2
_OFTEN = (
    f"import relay.daemon.certificates as files; files.LOOK_S = {_LOOK_S}\n"
    "from relay.cli import main; main()"
)
"""`callveil` that looks more often than once a minute."""
_STREAMED, _REPLACED = 3000, 4
_HARM = {
    "another key": "tls.certificate: expected a PEM certificate, and its unencrypted key",
    "no PEM": "tls.certificate: expected a PEM certificate, and its unencrypted key",
    "gone": "tls.certificate: expected a PEM file that can be read; tls.key: expected a PEM file",
    "expired": "tls.certificate: expected a certificate that has not expired",
    "too early": "tls.certificate: expected a certificate that is valid by now",
    "another name": "relay.names[0]: expected a name that tls.certificate is for; it is for b.ex",
}


def _config(files: Files, **sections: object) -> Config:
    listen = ["tls://127.0.0.1:0", "udp://127.0.0.1:0"]
    return config_of(listen=listen, tls=files.section, **sections)


@contextmanager
def _running(directory: Path, config: Config) -> Iterator[Daemon]:
    program = (sys.executable, "-c", _OFTEN)
    with Daemon(directory, configured(directory, config), program=program) as daemon:
        yield daemon


def _expiry(daemon: Daemon) -> float:
    return daemon.metric("callveil_certificate_expiry_seconds")


def _ends(files: Files) -> float:
    """When it expires, as openssl says."""
    command = ["openssl", "x509", "-noout", "-enddate", "-in", str(files.certificate)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return ssl.cert_time_to_seconds(said.partition("=")[2].strip())


def _encrypted(
    daemon: Daemon, trusted: Files, credential: tuple[str, str] = ("", "")
) -> TurnClient:
    """A client over TLS that trusts this certificate and no other."""
    sock = daemon.connect(f"turns:127.0.0.1:{place_of(daemon.urls[0]).port}?transport=tcp")
    secure = trusted.trusting_context().wrap_socket(sock, server_hostname="127.0.0.1")
    secure.settimeout(PATIENCE_S)
    return TurnClient(secure, *credential)


def _accepts(daemon: Daemon, trusted: Files) -> bool:
    """Whether a new client that trusts this certificate comes in."""
    try:
        _encrypted(daemon, trusted).sock.close()
    except ssl.SSLCertVerificationError:
        return False
    return True


def _copy(files: Files, directory: Path) -> Files:
    """The same pair, which stays where it is."""
    directory.mkdir()
    copy = Files(directory / "certificate.pem", directory / "key.pem")
    for one, other in zip(files, copy, strict=True):
        other.write_bytes(one.read_bytes())
    return copy


def _renew(files: Files, days: float = 30, hosts: tuple[str, ...] = ("127.0.0.1", NAME)) -> None:
    certificates.write(files.certificate.parent, hosts=hosts, days=(-1, days))


def test_streams_lose_no_byte_while_the_files_are_replaced(tmp_path: Path) -> None:
    files = certificates.write(tmp_path / "tls")
    with _running(tmp_path, _config(files)) as daemon:
        call = daemon.create_call()
        credentials = (credential_of(call, name) for name in daemon.parties)
        alice, bob = (_encrypted(daemon, files, credential) for credential in credentials)
        with alice, bob:
            join(alice, bob)
            heard: list[bytes | None] = []
            threads = [
                threading.Thread(target=_stream, args=(alice,)),
                threading.Thread(target=_hear, args=(bob, heard)),
            ]
            for thread in threads:
                thread.start()
            for number in range(_REPLACED):
                _renew(files, 30 + number)
                daemon.until_said("certificate_replaced")
                assert _accepts(daemon, files)
            for thread in threads:
                thread.join()
            assert heard == [
                wire.channel_data(CHANNEL, number.to_bytes(200)) for number in range(_STREAMED)
            ]
            bob.send_on(CHANNEL, b"and back")
            assert alice.receive() == wire.channel_data(CHANNEL, b"and back")


def _stream(sender: TurnClient) -> None:
    """Numbers, one after the other, for as long as the files are replaced."""
    for number in range(_STREAMED):
        sender.send_on(CHANNEL, number.to_bytes(200))
        time.sleep(_LOOK_S * _REPLACED * 2 / _STREAMED)


def _hear(receiver: TurnClient, heard: list[bytes | None]) -> None:
    """What comes, until nothing more does."""
    while len(heard) < _STREAMED and None not in heard[-1:]:
        heard.append(receiver.receive(10))


def test_openssl_sees_the_new_certificate_and_the_metric_its_end(tmp_path: Path) -> None:
    files = certificates.write(tmp_path / "tls", hosts=["127.0.0.1", NAME])
    with _running(tmp_path, _config(files)) as daemon:
        assert _expiry(daemon) == _ends(files)
        old = _copy(files, tmp_path / "old")
        _renew(files, 77)
        daemon.until_said("certificate_replaced")
        assert _expiry(daemon) == _ends(files)
        assert _expiry(daemon) == pytest.approx(time.time() + 77 * 86400, abs=3600)
        port = place_of(daemon.urls[0]).port
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", NAME]
        command += ["-verify_return_error", "-verify_hostname", NAME, "-CAfile"]
        for trusted, code in ((files, 0), (old, 1)):
            done = subprocess.run(
                [*command, str(trusted.certificate)], input=b"", capture_output=True, check=False
            )
            assert done.returncode == code, done.stderr


def _harm(files: Files, how: str) -> None:
    """Put something into the files that no client would accept."""
    if how == "another key":
        key = certificates.write(files.key.parent / "other").key
        files.key.write_bytes(key.read_bytes())
    elif how == "no PEM":
        files.certificate.write_bytes(b"half of a cert")
    elif how == "gone":
        for file in files:
            file.unlink()
    elif how == "expired":
        _renew(files, -0.1)
    elif how == "too early":
        certificates.write(files.key.parent, hosts=["127.0.0.1", NAME], days=(1, 2))
    else:
        _renew(files, hosts=("b.example",))


@pytest.mark.parametrize("how", _HARM)
def test_a_pair_that_does_not_fit_keeps_the_old_one_and_says_why_once(
    tmp_path: Path, how: str
) -> None:
    files = certificates.write(tmp_path / "tls", hosts=["127.0.0.1", NAME])
    with _running(tmp_path, _config(files, relay={"names": [NAME]})) as daemon:
        kept, ends = _copy(files, tmp_path / "kept"), _expiry(daemon)
        assert daemon.metric("callveil_certificate_fault") == 0
        _harm(files, how)
        wait_until(lambda: daemon.metric("callveil_certificate_fault") == 1, "it is seen")
        wait_until(lambda: _is_said_last(daemon, _HARM[how]), "the reason is said")
        time.sleep(3 * _LOOK_S)
        count = len(_refusals(daemon))
        assert _expiry(daemon) == ends
        assert _accepts(daemon, kept)
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reload_refused")
        assert _accepts(daemon, kept)
        assert len(_refusals(daemon)) == count  # nothing new
        for one, other in zip(kept, files, strict=True):
            other.write_bytes(one.read_bytes())
        daemon.until_said("certificate_unchanged")
        assert daemon.metric("callveil_certificate_fault") == 0
        _renew(files)
        daemon.until_said("certificate_replaced")
        assert _accepts(daemon, files)
        assert daemon.metric("callveil_certificate_fault") == 0
        assert str(tmp_path) not in "".join(_refusals(daemon))


def _refusals(daemon: Daemon) -> list[str]:
    return [line for line in daemon.lines if "certificate_refused" in line]


def _is_said_last(daemon: Daemon, reason: str) -> bool:
    return any(reason in line for line in _refusals(daemon)[-1:])


def test_sighup_looks_at_once_and_says_what_is_wrong(tmp_path: Path) -> None:
    """Where the next look by itself is a minute away."""
    files = certificates.write(tmp_path / "tls")
    with Daemon(tmp_path, configured(tmp_path, _config(files))) as daemon:
        kept = _copy(files, tmp_path / "kept")
        _harm(files, "another key")
        daemon.signal(signal.SIGHUP)
        daemon.until_said("certificate_refused reason=1 fault: tls.certificate: expected a PEM")
        daemon.until_said("reload_refused")
        assert daemon.metric("callveil_certificate_fault") == 1
        assert _accepts(daemon, kept)
        _renew(files)
        daemon.signal(signal.SIGHUP)
        daemon.until_said("certificate_replaced")
        assert daemon.metric("callveil_certificate_fault") == 0
        assert _accepts(daemon, files)


def test_one_that_had_expired_at_start_keeps_no_reload_from_happening(tmp_path: Path) -> None:
    """Nothing better is in use; clients over UDP do not care."""
    files = certificates.write(tmp_path / "tls", days=(-2, -1))
    with _running(tmp_path, _config(files)) as daemon:
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reloaded")
        assert daemon.metric("callveil_certificate_fault") == 0
        assert _expiry(daemon) == _ends(files) < time.time()


def test_without_tls_there_is_no_expiry(tmp_path: Path) -> None:
    with Daemon(tmp_path, configured(tmp_path, config_of())) as daemon:
        assert "callveil_certificate_expiry_seconds" not in daemon.metrics()
        assert daemon.metric("callveil_certificate_fault") == 0


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory whose files another user may read."""
    insist("another user", "" if os.geteuid() == 0 else "run as root")
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        directory.chmod(0o755)
        yield directory


def _roots_alone(directory: Path) -> Files:
    """A pair that nobody but root can read, as certbot writes it."""
    files = certificates.write(directory / "tls")
    files.key.chmod(0o600)
    files.key.parent.chmod(0o700)
    return files


def _opener(daemon: Daemon) -> int:
    (child,) = daemon.proc(f"task/{daemon.pid}/children").read_text().split()
    return int(child)


def _is_gone(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
    return True


@pytest.mark.parametrize("user", ["nobody", ""])
def test_files_that_are_roots_are_read_after_the_privileges_are_gone(
    public: Path, user: str
) -> None:
    files = _roots_alone(public)
    if not user:
        os.chown(files.key, 65534, 65534)  # root without its capabilities cannot read this one
    with _running(public, _config(files, user=user)) as daemon:
        _renew(files)
        daemon.until_said("certificate_replaced")
        assert _accepts(daemon, files)
        daemon.signal(signal.SIGHUP)  # which reads the key too
        daemon.until_said("reloaded")
        _harm(files, "another key")
        daemon.until_said("certificate_refused")
        _renew(files)
        daemon.until_said("certificate_replaced")
        assert _accepts(daemon, files)


def test_what_opens_the_files_can_do_nothing_else(public: Path) -> None:
    files = _roots_alone(public)
    with _running(public, _config(files, user="nobody")) as daemon:
        process = Path(f"/proc/{_opener(daemon)}")
        status = dict(
            line.split(":\t", 1) for line in (process / "status").read_text().splitlines()
        )
        assert int(status["CapEff"], 16) in (1 << 1, 1 << 2)  # DAC_OVERRIDE or DAC_READ_SEARCH
        assert status["NoNewPrivs"] == "1"
        targets = sorted(str(each.readlink()) for each in (process / "fd").iterdir())
        assert targets[:3] == ["/dev/null"] * 3
        assert [each.partition(":")[0] for each in targets[3:]] == ["socket"]
        moved = certificates.write(public / "moved")  # a file that was not named at start
        moved.key.chmod(0o600)
        daemon.configure(_config(moved, user="nobody"))
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reload_refused")
        assert "tls.key: expected a PEM file that can be read" in daemon.until_said("tls.key")


def _stop(daemon: Daemon, number: signal.Signals) -> None:
    daemon.signal(number)
    daemon.process.wait(PATIENCE_S)


_ENDS: list[Callable[[Daemon], None]] = [
    lambda daemon: _stop(daemon, signal.SIGINT),
    lambda daemon: _stop(daemon, signal.SIGKILL),
]


@pytest.mark.parametrize("end", _ENDS, ids=["SIGINT", "SIGKILL"])
def test_what_opens_the_files_ends_with_the_daemon_and_not_before(
    public: Path, end: Callable[[Daemon], None]
) -> None:
    """systemd and terminals signal every process of a service."""
    files = _roots_alone(public)
    with _running(public, _config(files, user="nobody")) as daemon:
        process = _opener(daemon)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(process, number)
        _renew(files)
        daemon.until_said("certificate_replaced")
        end(daemon)
        wait_until(lambda: _is_gone(process), "it has ended too")


def test_a_daemon_that_loses_what_opens_the_files_goes_on(public: Path) -> None:
    files = _roots_alone(public)
    with _running(public, _config(files, user="nobody")) as daemon:
        os.kill(_opener(daemon), signal.SIGKILL)
        daemon.until_said("certificate_refused")
        assert daemon.metric("callveil_certificate_fault") == 1
        assert _accepts(daemon, files)


def test_who_has_no_certificate_needs_no_other_process(tmp_path: Path) -> None:
    with Daemon(tmp_path, configured(tmp_path, config_of(user=getpass.getuser()))) as daemon:
        assert daemon.proc(f"task/{daemon.pid}/children").read_text().split() == []


async def test_a_slow_look_puts_no_older_pair_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that began before a reload was refused, and ends after it."""
    files = certificates.write(tmp_path / "tls")
    settings = parse(yaml.safe_dump(_config(files)).encode(), {})
    held = Certificates(settings, CertificateState())
    monkeypatch.setattr(module, "LOOK_S", 0)
    find, has_read, may_end = held._find, threading.Event(), threading.Event()

    def slowly(settings: Settings) -> object:
        found = find(settings)
        has_read.set()
        assert may_end.wait(PATIENCE_S)
        return found

    _renew(files)
    monkeypatch.setattr(held, "_find", slowly)
    watching = asyncio.create_task(held.watch())
    await asyncio.to_thread(has_read.wait, PATIENCE_S)
    monkeypatch.setattr(module, "LOOK_S", 3600)
    _renew(files)
    monkeypatch.setattr(held, "_find", find)
    held.look()
    newest = held.context
    may_end.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    for _ in range(3):
        await asyncio.sleep(0)
    watching.cancel()
    assert held.context is newest
