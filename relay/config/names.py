"""Parses host names, in the form in which clients are told them and certificates hold them."""

import re

import idna

_NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_MAX = 253
_EXPECTED = "expected a host name such as turn.example.org, neither an address nor a URL"


def host_name(text: str) -> str:
    """Read a host name; letters beyond ASCII become A-labels, and capitals small letters.

    Raises: ValueError, with a sentence that starts with "expected". Nothing else.
    Spec: RFC 1123 section 2.1; RFC 5890 section 2.3.2.1. A name whose last label is a number is an
        IPv4 address to browsers (WHATWG URL, "ends in a number checker").
    """
    if len(text) > _MAX:
        raise ValueError(_EXPECTED)
    try:
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    except UnicodeError:
        raise ValueError(_EXPECTED) from None
    if len(name) > _MAX or _NAME.fullmatch(name) is None or _NUMBER.fullmatch(name):
        raise ValueError(_EXPECTED)
    return name
