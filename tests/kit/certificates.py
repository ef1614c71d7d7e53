"""Certificates for numeric addresses and names, and both ends' view of one."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


class Files(NamedTuple):
    """Two PEM files."""

    certificate: Path
    key: Path

    @property
    def section(self) -> dict[str, str]:
        """`tls` of a configuration."""
        return {"certificate": str(self.certificate), "key": str(self.key)}

    def trusting_context(self) -> ssl.SSLContext:
        """What a client needs that trusts this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))


class Issuer(NamedTuple):
    """Who signs certificates."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def write(
    directory: Path,
    *,
    hosts: Iterable[str] = ("127.0.0.1", "::1"),
    is_rsa: bool = False,
    days: tuple[float, float] = (-1, 1),
    issuer: Issuer | None = None,
) -> Files:
    """A new certificate for these hosts, and its key.

    Args:
        days: from now, when it begins and when it ends.
        issuer: who signs it; itself if nobody does.
    """
    key = (
        rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
    )
    name = _subject("relay")
    builder = _certificate(name, key.public_key(), days).add_extension(
        x509.SubjectAlternativeName(map(_name, hosts)), critical=False
    )
    signed = builder.issuer_name(issuer.name if issuer else name).sign(
        issuer.key if issuer else key, hashes.SHA256()
    )
    return _written(directory, signed, key)


def authority(directory: Path) -> tuple[Files, Issuer]:
    """A new authority, whose certificate a client can trust."""
    issuer = Issuer(_subject("authority of the tests"), ec.generate_private_key(ec.SECP256R1()))
    builder = _certificate(issuer.name, issuer.key.public_key(), (-1, 1)).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    signed = builder.issuer_name(issuer.name).sign(issuer.key, hashes.SHA256())
    return _written(directory, signed, issuer.key), issuer


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    name: x509.Name,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    days: tuple[float, float],
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    begin, end = (now + datetime.timedelta(days=each) for each in days)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _written(
    directory: Path,
    certificate: x509.Certificate,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> Files:
    directory.mkdir(exist_ok=True)
    files = Files(directory / "certificate.pem", directory / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def hello(name: str = "relay.example") -> bytes:
    """A ClientHello that names a server."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(
            to_client, to_server, server_hostname=name
        ).do_handshake()
    return to_server.read()


@cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The relay's context and a client's that trusts it."""
    with TemporaryDirectory() as directory:
        files = write(Path(directory))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(files.certificate, files.key)
        return server, files.trusting_context()
