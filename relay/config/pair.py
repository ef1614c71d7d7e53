"""Reads a certificate and its private key, and loads both into a TLS context.

Rules of this file: a fault never shows a key, nor what stands in place of its file name. What has
been read stays in memory: who cannot read the files may be handed what is in them.
"""

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO

from relay.config.settings import TlsSettings
from relay.errors import ConfigError

MAX_BYTES = 1 << 20
"""More than any chain of certificates has, and nothing that takes time to read."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What is in two PEM files: a certificate chain, and the key of its first certificate."""

    certificate: bytes
    key: bytes = field(repr=False)


File = IO[bytes] | None
"""A file that is open for reading; None is one that cannot be opened."""

ReadPair = Callable[[TlsSettings], Pair]
"""Reads the files of `tls`. Raises: ConfigError. Nothing else."""


def read_pair(tls: TlsSettings) -> Pair:
    """Read both files. Raises: ConfigError, with a fault for each that cannot be read."""
    with ExitStack() as stack:
        return pair_of(tls, _open(stack, tls.certificate), _open(stack, tls.key))


def pair_of(tls: TlsSettings, certificate_file: File, key_file: File) -> Pair:
    """Read two files that somebody has opened.

    Raises: ConfigError, with a fault for each that cannot be read.
    """
    certificate, key = _content(certificate_file), _content(key_file)
    if certificate is None or key is None:
        names = ((certificate, f"certificate: {tls.certificate!r}"), (key, "key"))
        raise ConfigError(
            *(
                f"tls.{shown}: expected a PEM file that can be read"
                for content, shown in names
                if content is None
            )
        )
    return Pair(certificate, key)


def context_of(tls: TlsSettings, pair: Pair) -> ssl.SSLContext:
    """Make the context of a server that shows this certificate.

    Raises: ConfigError, where the two do not fit or are not what they should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with _named(pair.certificate) as certificate, _named(pair.key) as key:
            # An empty password makes a protected key a fault, not a question on the terminal.
            context.load_cert_chain(certificate, key, "")
    except (OSError, ValueError):
        raise ConfigError(
            f"tls.certificate: {tls.certificate!r}: expected a PEM certificate, "
            "and its unencrypted key in tls.key"
        ) from None
    return context


def _open(stack: ExitStack, name: str) -> File:
    try:
        return stack.enter_context(open(name, "rb", opener=open_file))
    except (OSError, ValueError):
        return None


def open_file(name: str, flags: int = os.O_RDONLY) -> int:
    """Open a file for reading, and wait for nobody where the name is that of a pipe."""
    return os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _content(file: File) -> bytes | None:
    """What is in a file; None where it cannot be read, or has more than MAX_BYTES."""
    try:
        content = None if file is None else file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return None if content is None or len(content) > MAX_BYTES else content


@contextmanager
def _named(content: bytes) -> Iterator[str]:
    """A file name for a library that takes nothing else; what is in it stays in memory."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pem"), "wb", buffering=0) as file:
            file.write(content)
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(buffering=0) as named:  # not Linux; for its owner alone
            named.write(content)
            yield named.name
