"""Reads secrets that are given by reference: `env:NAME` and `file:PATH`.

Rules of this file: no message shows a secret, nor a reference that might be one. An empty secret is
a fault. Raises ValueError and nothing else.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationInfo

MAX_SECRET_BYTES = 4096


class GeneratedSecret(SecretStr):
    """One that the operator did not give, so that nobody but this relay knows it."""


def resolve(value: object, info: ValidationInfo) -> str:
    """Read a secret for a settings model, whose validation context is the environment."""
    if not isinstance(value, str):
        raise ValueError("expected text (a number needs quotes), env:NAME or file:PATH")
    return follow(value, info.context or {})


def follow(text: str, environ: Mapping[str, str]) -> str:
    """Read what a reference names; other text is the secret itself.

    Args:
        text: what the operator wrote.
        environ: where `env:` looks.
    Raises:
        ValueError: empty, no UTF-8, or a reference to nothing.
    """
    kind, separator, name = text.partition(":")
    if separator and kind == "env":
        text = _from_environment(name, environ)
    elif separator and kind == "file":
        text = _from_file(name)
    if not text.strip():
        raise ValueError("expected a secret that is not empty")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("expected a secret in UTF-8")
    return text


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    """Read a variable. A fault shows its name only where that can be a name."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
        raise ValueError("expected env: with the name of an environment variable")
    if not environ.get(name):
        raise ValueError(f"expected the environment variable {name} to be set and not empty")
    return environ[name]


def _from_file(name: str) -> str:
    """Read a file, without the line end that editors add."""
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError):
        raise ValueError("expected file: with the name of a file that can be read") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"expected a secret file of at most {MAX_SECRET_BYTES} bytes")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("expected a secret file in UTF-8") from None
