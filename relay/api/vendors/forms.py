"""`application/x-www-form-urlencoded`, in a query or in a body, of any bytes.

Rules of this file: what is no UTF-8 stays as surrogates, so that nothing is lost or made equal.
"""

from urllib.parse import parse_qsl

_MOST = 32
"""Parameters of one request; Janus sends four."""


def fields(*sources: bytes) -> dict[str, str]:
    """The parameters of a request, by their names in lower case.

    Args:
        sources: of a name that comes twice the first value counts.
    Raises: ValueError, where there are too many.
    """
    found: dict[str, str] = {}
    for source in sources:
        text = source.decode("utf-8", "surrogateescape")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST
        )
        for name, value in pairs:
            found.setdefault(name.lower(), value)
    return found


def raw(value: str) -> bytes:
    """The bytes that were sent for a value. Raises: ValueError, where no bytes were."""
    return value.encode("utf-8", "surrogateescape")
