"""Who may allocate: the realm, shared secrets, and fixed users."""

import re
from typing import Any

from relay.tools.coturn.lines import Line
from relay.tools.coturn.reading import Reading

MOST_ALLOCATIONS = 10_000
"""As much as `limits.allocations_per_user` takes."""

_MOST_SECRETS, _MOST_USERS = 16, 4096
"""As many as `auth` takes."""

_MOST_NAME_BYTES = 508
"""RFC 8489 section 14.3: fewer than 509."""

_NOT_TEXT = "expected UTF-8"
_EMPTY = "expected text"


def realm(reading: Reading) -> str:
    """The realm; empty where there is none that callveil takes."""
    line = reading.last("realm")
    if line is None:
        return ""
    text = line.value
    if not 1 <= len(text) <= 127 or not text.isprintable() or set(text) & set('"\\'):
        reading.refuse(line, "expected 1 to 127 printable characters without quotes")
        return ""
    return text


def auth(reading: Reading) -> dict[str, Any]:
    """`auth`: secrets, or users where there are none, since coturn then takes no users."""
    secrets = _secrets(reading)
    wants_secrets = bool(secrets) or reading.is_on("use-auth-secret")
    users = _users(reading, are_refused=wants_secrets)
    if not secrets and not users:
        reading.say(
            "auth: no secret and no user is carried over, so nobody gets in but with credentials "
            "of the HTTP API"
        )
    if secrets:
        return {"secrets": secrets}
    return {"users": users} if users else {}


def is_account(text: str) -> bool:
    """Whether this may be a user of a host's."""
    return re.fullmatch(r"[^\s:]{1,32}", text) is not None and text.isprintable()


def _secrets(reading: Reading) -> list[str]:
    found: list[str] = []
    for line in reading.lines("static-auth-secret"):
        if fault := _fault(line.value):
            reading.refuse(line, fault)
        elif line.value not in found and len(found) == _MOST_SECRETS:
            reading.refuse(line, f"auth.secrets takes {_MOST_SECRETS}")
        elif line.value not in found:
            found.append(line.value)
    asked = reading.last("use-auth-secret")
    if not found and asked is not None and asked.is_on:
        reading.refuse(asked, "no static-auth-secret: write the database's into auth.secrets")
    return found


def _fault(text: str) -> str:
    """Why a text cannot be a secret; empty if it can. No text is shown."""
    if not text.strip():
        return _EMPTY
    if not _is_utf8(text):
        return _NOT_TEXT
    if text.startswith(("env:", "file:")):
        kind = text.partition(":")[0]
        return f"{kind}: would be a reference; write the secret into a file, and file:PATH instead"
    return ""


def _users(reading: Reading, *, are_refused: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in reading.lines("user"):
        if are_refused:
            reading.refuse(line, "coturn takes no users beside use-auth-secret")
            continue
        if fault := _user_fault(line):
            reading.refuse(line, fault)
            continue
        name, _, password = line.value.partition(":")
        if len(found) == _MOST_USERS and name not in found:
            reading.refuse(line, f"auth.users takes {_MOST_USERS}")
        else:
            found[name] = password
    return found


def _user_fault(line: Line) -> str:
    name, separator, password = line.value.partition(":")
    if not separator or not name:
        return "expected NAME:PASSWORD"
    if password.startswith("0x"):
        return (
            "the key is a hash of name, realm and password, of which callveil needs the password: "
            "write it into auth.users"
        )
    if not name.isprintable() or len(name.encode()) > _MOST_NAME_BYTES:
        return f"expected a name of at most {_MOST_NAME_BYTES} printable bytes"
    return _fault(password)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
