"""`callveil import-coturn`: what it prints, writes and refuses."""

import random
import stat
from pathlib import Path

import pytest

from tests.coturn.samples import JITSI, NEXTCLOUD, SYNAPSE
from tests.kit import certificates
from tests.kit.command import Outcome, callveil
from tests.kit.requirements import require

_ADDRESS = ("--address", "8.8.4.4")


def _imported(directory: Path, content: str | bytes, *options: str) -> Outcome:
    path = directory / "turnserver.conf"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return callveil("import-coturn", str(path), *(options or _ADDRESS))


def _checked(directory: Path, text: str) -> Outcome:
    path = directory / "callveil.yaml"
    path.write_text(text)
    return callveil("check-config", str(path))


@pytest.mark.parametrize("sample", [SYNAPSE, NEXTCLOUD, JITSI, ""])
def test_what_is_printed_is_a_configuration(tmp_path: Path, sample: str) -> None:
    done = _imported(tmp_path, sample)
    assert done.code == 0
    assert all(line.startswith("callveil: caution: ") for line in done.err.splitlines())
    assert _checked(tmp_path, done.out).out == "ok\n"


def test_options_that_are_not_carried_over_are_named_on_stderr_and_in_the_file(
    tmp_path: Path,
) -> None:
    done = _imported(tmp_path, "total-quota=5\nmobility\n")
    said = [line for line in done.err.splitlines() if "line " in line]
    assert [line.partition(": not carried over: ")[0] for line in said] == [
        "callveil: caution: line 1: total-quota",
        "callveil: caution: line 2: mobility",
    ]
    assert "# - line 1: total-quota: not carried over: " in done.out


def test_a_file_is_written_for_its_owner_alone_and_none_is_overwritten(tmp_path: Path) -> None:
    output = tmp_path / "callveil.yaml"
    options = (*_ADDRESS, "--output", str(output))
    done = _imported(tmp_path, SYNAPSE, *options)
    assert (done.code, done.out) == (0, "")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    written = output.read_text()
    assert callveil("check-config", str(output)).out == "ok\n"
    again = _imported(tmp_path, NEXTCLOUD, *options)
    assert (again.code, again.out) == (2, "")
    assert f"--output: {str(output)!r}: expected a name that no file has" in again.err
    assert output.read_text() == written


def test_where_it_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = _imported(tmp_path, SYNAPSE, *_ADDRESS, "--output", str(tmp_path / "no" / "where"))
    assert (done.code, done.out) == (2, "")
    assert "cannot be written: No such file or directory" in done.err


def test_what_callveil_could_not_start_with_is_not_written(tmp_path: Path) -> None:
    output = tmp_path / "callveil.yaml"
    done = _imported(tmp_path, "no-udp\nno-tcp\n", *_ADDRESS, "--output", str(output))
    assert (done.code, done.out) == (2, "")
    assert "listen: []: expected a list of at least one listener" in done.err
    assert not output.exists()


def test_without_any_address_it_asks_for_one(tmp_path: Path) -> None:
    require()  # then these tests run where nothing leads outside
    path = tmp_path / "turnserver.conf"
    path.write_text(SYNAPSE.replace("external-ip", "#"))
    done = callveil("import-coturn", str(path))
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].endswith("give --address PUBLIC[/LOCAL]")


def test_a_certificate_that_is_there_is_taken(tmp_path: Path) -> None:
    files = certificates.write(tmp_path / "tls", hosts=["8.8.4.4"])
    text = f"cert=tls/{files.certificate.name}\npkey={files.key}\n"
    done = _imported(tmp_path, text)
    assert '"tls://0.0.0.0:5349"' in done.out
    assert f'certificate: "{files.certificate}"' in done.out
    assert _checked(tmp_path, done.out).out == "ok\n"


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = _imported(tmp_path, "cert=nowhere.pem\npkey=nowhere.key\n")
    assert done.code == 0
    assert "line 1: cert: not carried over: tls.certificate: " in done.err
    assert "tls://" not in done.out.partition("listen:")[2]


@pytest.mark.parametrize("seed", range(8))
def test_any_bytes_are_no_traceback(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = [rng.randbytes(rng.randrange(80)) for _ in range(rng.randrange(200))]
    options = [rng.choice([b"user=", b"realm=", b"cert=", b"listening-ip=", b""]) for _ in lines]
    content = b"\n".join(option + line for option, line in zip(options, lines, strict=True))
    done = _imported(tmp_path, content)
    assert done.code in (0, 2)
    if done.code == 0:
        assert _checked(tmp_path, done.out).code in (0, 2)
