"""A certificate and its key are read whatever stands where their names lead."""

import os
import ssl
from pathlib import Path

import pytest

from relay.config import Pair, context_of, read_pair
from relay.config.pair import MAX_BYTES
from relay.config.settings import TlsSettings
from relay.errors import ConfigError
from tests.kit import certificates


def test_what_surrounds_a_certificate_is_left_out(tmp_path: Path) -> None:
    """As `openssl x509 -text` writes it, with the key in the same file."""
    files = certificates.write(tmp_path)
    both = "Subject: CN=Jürgen\n".encode() + files.key.read_bytes() + files.certificate.read_bytes()
    files.certificate.write_bytes(both)
    tls = TlsSettings(certificate=str(files.certificate), key=str(files.certificate))
    pair = read_pair(tls)
    assert isinstance(context_of(tls, pair), ssl.SSLContext)
    assert "BEGIN PRIVATE" not in repr(Pair(b"", pair.key))


@pytest.mark.parametrize("kind", ["fifo", "directory", "large", "missing", "closed"])
def test_what_cannot_be_read_is_a_fault_and_keeps_nobody_waiting(tmp_path: Path, kind: str) -> None:
    odd = tmp_path / "odd"
    if kind == "fifo":
        os.mkfifo(odd)
        reader = os.open(odd, os.O_RDWR)  # somebody has it open, and says nothing
    elif kind == "directory":
        odd.mkdir()
    elif kind == "large":
        odd.write_bytes(bytes(MAX_BYTES + 1))
    name = "a\0b" if kind == "closed" else str(odd)
    with pytest.raises(ConfigError) as raised:
        read_pair(TlsSettings(certificate=name, key=name))
    assert raised.value.faults == (
        f"tls.certificate: {name!r}: expected a PEM file that can be read",
        "tls.key: expected a PEM file that can be read",
    )
    if kind == "fifo":
        os.close(reader)
