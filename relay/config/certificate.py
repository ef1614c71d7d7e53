"""Examines a certificate as a client would: in a TLS handshake within this process.

Rules of this file: the TLS library, which clients have too, decides what is wrong. The certificate
itself is trusted here, because this host cannot know whether clients trust its issuer.
"""

import ssl
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

from relay.config.pair import Pair

_DAYS = 86_400
_SOON_S = 14 * _DAYS
"""Certificates of ninety days are renewed with thirty left: with fourteen, renewal has failed."""
_SOON_PART = 0.25
"""Part of the lifetime, for certificates that are valid for a few days only."""

# Of OpenSSL's <openssl/x509_vfy.h>
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_…
_FOR_ANOTHER_HOST = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_…


class Validity(NamedTuple):
    """When a certificate is valid, in Unix time."""

    begins_s: float
    ends_s: float

    def is_expiring(self, now_s: float) -> bool:
        """Whether the certificate should have been renewed by now."""
        return self.ends_s - now_s < min(_SOON_S, _SOON_PART * (self.ends_s - self.begins_s))


class View:
    """What a client finds out about a certificate.

    Args:
        server: a context that shows the certificate.
        pair: the certificate.
    """

    def __init__(self, server: ssl.SSLContext, pair: Pair) -> None:
        self._server = server
        # PEM is ASCII; what surrounds it may be anything.
        self._trusted = pair.certificate.decode("ascii", "ignore")

    @property
    def fault(self) -> str:
        """Why no client accepts the certificate now; empty if a client may accept it."""
        try:
            self._handshake(self._client())
        except ssl.SSLCertVerificationError as error:
            return _why(error)
        except ssl.SSLError as error:
            return f"expected a certificate that clients accept, not: {error.reason}"
        return ""

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts that the certificate is for, as far as a handshake tells."""
        return tuple(name for _, name in self._shown.get("subjectAltName", ()))

    @property
    def validity(self) -> Validity | None:
        """None where no client accepts the certificate at any time."""
        if not self._shown:
            return None
        begins, ends = (self._shown[key] for key in ("notBefore", "notAfter"))
        return Validity(ssl.cert_time_to_seconds(begins), ssl.cert_time_to_seconds(ends))

    def unfit(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """The hosts in question that the certificate is not for.

        Spec: RFC 9525 section 6: alternative names alone count, and `*` is one whole label.
        """
        return tuple(host for host in hosts if not self._fits(host))

    def _fits(self, host: str) -> bool:
        client = self._client(is_timeless=True)
        client.check_hostname = True
        try:
            self._handshake(client, host)
        except ssl.SSLCertVerificationError as error:
            return error.verify_code not in _FOR_ANOTHER_HOST
        except ssl.SSLError:
            return True
        return True

    @cached_property
    def _shown(self) -> dict[str, Any]:
        """What the client learns of the certificate; empty where it refuses it at any time."""
        try:
            return self._handshake(self._client(is_timeless=True))
        except ssl.SSLError:
            return {}

    def _client(self, *, is_timeless: bool = False) -> ssl.SSLContext:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(cadata=self._trusted)
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        client.hostname_checks_common_name = False  # no browser does
        client.check_hostname = False
        if is_timeless:
            client.verify_flags |= _NO_CHECK_TIME
        return client

    def _handshake(self, client: ssl.SSLContext, host: str | None = None) -> dict[str, Any]:
        """Do one handshake in memory.

        Returns: what the client learns of the certificate.
        Raises: ssl.SSLError.
        """
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        accepting = self._server.wrap_bio(to_server, to_client, server_side=True)
        connecting = client.wrap_bio(to_client, to_server, server_hostname=host)
        for side in (connecting, accepting, connecting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        return connecting.getpeercert() or {}


def _why(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "expected a certificate that has not expired"
    if error.verify_code == _NOT_YET_VALID:
        return "expected a certificate that is valid by now; check this host's clock too"
    return f"expected a certificate that clients accept, not: {error.verify_message}"
