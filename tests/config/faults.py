"""The faults of a document, for the tests of this package."""

from collections.abc import Mapping

import pytest

from relay.config import parse
from relay.errors import ConfigError


def faults_of(content: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
    """Every fault line; each is one line."""
    raw = content.encode() if isinstance(content, str) else content
    with pytest.raises(ConfigError) as raised:
        parse(raw, environ or {})
    lines = list(raised.value.faults)
    assert all("\n" not in line and line for line in lines)
    assert str(raised.value) == "\n".join(lines)
    return lines
