"""Examines a certificate as a client would: in a TLS handshake within this process.

Rules of this file: the TLS library, which clients have too, decides what is wrong. The certificate
itself is trusted here, because this host cannot know whether clients trust its issuer.
"""

import ssl
from typing import Any, NamedTuple

_DAYS = 86_400
_SOON_S = 14 * _DAYS
"""Certificates of ninety days are renewed with thirty left: with fourteen, renewal has failed."""
_SOON_PART = 0.25
"""Part of the lifetime, for certificates that are valid for a few days only."""

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_… of OpenSSL's <openssl/x509_vfy.h>


class Seen(NamedTuple):
    """What a client finds out about a certificate.

    Args:
        fault: why no client accepts the certificate; empty if a client may accept it.
        names: the hosts that the certificate is for, as far as a handshake tells.
        unfit: the hosts in question that the certificate is not for.
        expires_in_s: None where there is a fault.
        is_expiring: the certificate should have been renewed by now.
    """

    fault: str = ""
    names: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    expires_in_s: float | None = None
    is_expiring: bool = False


def examine(certificate: str, key: str, hosts: tuple[str, ...], now_s: float) -> Seen:
    """Examine a certificate that can be loaded.

    Args:
        certificate, key: PEM files.
        hosts: addresses that clients are told.
        now_s: Unix time.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key, "")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.check_hostname = False
    try:
        shown = _handshake(server, client, None)
    except ssl.SSLCertVerificationError as error:
        return Seen(_why(error))
    except ssl.SSLError as error:
        return Seen(f"expected a certificate that clients accept, not: {error.reason}")
    begins_s, ends_s = (ssl.cert_time_to_seconds(shown[key]) for key in ("notBefore", "notAfter"))
    return Seen(
        names=tuple(name for _, name in shown.get("subjectAltName", ())),
        unfit=tuple(host for host in hosts if not _fits(server, client, host)),
        expires_in_s=ends_s - now_s,
        is_expiring=ends_s - now_s < min(_SOON_S, _SOON_PART * (ends_s - begins_s)),
    )


def _why(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "expected a certificate that has not expired"
    if error.verify_code == _NOT_YET_VALID:
        return "expected a certificate that is valid by now; check this host's clock too"
    return f"expected a certificate that clients accept, not: {error.verify_message}"


def _fits(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> bool:
    client.check_hostname = True
    try:
        _handshake(server, client, host)
    except ssl.SSLCertVerificationError:
        return False
    return True


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str | None) -> dict[str, Any]:
    """Do one handshake in memory.

    Returns: what the client learns of the certificate.
    Raises: ssl.SSLError.
    """
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server.wrap_bio(to_server, to_client, server_side=True)
    connecting = client.wrap_bio(to_client, to_server, server_hostname=host)
    for side in (connecting, accepting, connecting):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return connecting.getpeercert() or {}
