"""`callveil check-config` on this host: exit codes, faults and cautions."""

from pathlib import Path

from tests.kit import certificates
from tests.kit.command import Outcome, callveil
from tests.kit.daemon import serving


def _check(directory: Path, content: str) -> Outcome:
    path = directory / "callveil.yaml"
    path.write_text(content)
    return callveil("check-config", str(path))


def _tls(files: certificates.Files) -> str:
    return f"tls: {{certificate: {files.certificate}, key: {files.key}}}\n"


def test_what_this_host_does_not_have_is_a_fault(tmp_path: Path) -> None:
    done = _check(tmp_path, "user: cvnobody0\nfastpath: {interfaces: [cv0], mode: require}\n")
    assert (done.code, done.out) == (2, "")
    assert [line.split(": ")[1] for line in done.err.splitlines()] == [
        "user",
        "fastpath.interfaces[0]",
    ]


def test_an_expired_certificate_is_a_fault_and_the_relay_serves_all_the_same(
    tmp_path: Path,
) -> None:
    """Whoever comes over UDP does not care."""
    files = certificates.write(tmp_path / "tls", days=(-2, -1))
    content = f"{_tls(files)}listen: ['udp://127.0.0.1:0', 'tls://127.0.0.1:0']\n"
    done = _check(tmp_path, content)
    assert (done.code, done.out) == (2, "")
    fault = f"tls.certificate: '{files.certificate}': expected a certificate that has not expired"
    assert done.err == f"callveil: {fault}\n"
    env = {"CALLVEIL__LISTEN": "[udp://127.0.0.1:0, tls://127.0.0.1:0]"}
    with serving("--config", str(tmp_path / "callveil.yaml"), env=env) as running:
        assert f"callveil: caution: {fault}" in running.lines


def test_a_certificate_for_another_host_is_a_caution(tmp_path: Path) -> None:
    files = certificates.write(tmp_path / "tls", hosts=["turn.example"])
    done = _check(tmp_path, f"{_tls(files)}listen: ['tls://127.0.0.1:5349']\n")
    assert (done.code, done.out) == (0, "ok\n")
    (line,) = done.err.splitlines()
    place = f"callveil: caution: tls.certificate: '{files.certificate}'"
    assert line.startswith(f"{place}: the certificate is for turn.example, and not for 127.0.0.1")


def test_two_on_one_port_are_a_fault_before_they_are_a_failure(tmp_path: Path) -> None:
    done = _check(tmp_path, "listen: ['tcp://127.0.0.1:8080']\n")
    assert done.code == 2
    assert "listen[0]: 'tcp://127.0.0.1:8080': expected a port of its own" in done.err
