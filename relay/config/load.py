"""Reads a file and the environment into `Settings`, or finds every fault at once.

A fault is one line, `key: value: expected …`. It leaves out a value that is, holds or may be meant
as a secret.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from relay.config import document
from relay.config.checks import check, private_relays
from relay.config.environment import overlay
from relay.config.pair import ReadPair, read_pair
from relay.config.settings import Peers, Settings
from relay.errors import ConfigError

SECRET_KEYS = (
    *(("auth", "secrets"), ("auth", "users"), ("api", "tokens"), ("fleet", "redis")),
    ("tls", "key"),
)
"""Keys whose values no fault shows. A Redis address holds a password, and the text of a private key
may stand where its file name belongs."""

SHORT_SECRET = 16
"""Characters. A credential is a plain HMAC: whoever holds one can try shorter secrets offline."""

_SHOWN = 80


def load(
    path: Path | None, environ: Mapping[str, str], read_pair: ReadPair = read_pair
) -> Settings:
    """Read the configuration.

    Args:
        path: the YAML file; None for defaults and environment alone.
        environ: where `CALLVEIL__SECTION__KEY` and `env:NAME` are looked up.
        read_pair: reads the certificate and its key.
    Raises:
        ConfigError: with every fault found. Nothing else.
    """
    return parse(b"" if path is None else document.read(path), environ, read_pair)


def parse(content: bytes, environ: Mapping[str, str], read_pair: ReadPair = read_pair) -> Settings:
    """Read a configuration from the bytes of a file; see `load`."""
    tree = document.parse(content)
    for name in Settings.model_fields:
        if _is_section(name) and name in tree and tree[name] is None:
            tree[name] = {}  # all of its keys are commented out
    faults = overlay(tree, environ)
    try:
        settings = Settings.model_validate(tree, context=environ)
    except ValidationError as error:
        faults += _lines(error.errors(include_url=False))
        raise ConfigError(*faults) from None
    faults += check(settings, read_pair)
    if faults:
        raise ConfigError(*faults)
    return settings


def cautions(settings: Settings) -> list[str]:
    """List what is allowed and yet deserves a line on stderr; one sentence each."""
    short = [
        f"auth.secrets[{index}]: shorter than {SHORT_SECRET} characters: "
        "whoever holds one credential can find the secret by trying; use a longer one"
        for index, secret in enumerate(settings.auth.secrets)
        if len(secret.get_secret_value()) < SHORT_SECRET
    ]
    short += [
        f"auth.users: the password of {_short(repr(name))}: shorter than {SHORT_SECRET} "
        "characters: whoever sees a request of that user can find it by trying; use a longer one"
        for name, password in settings.auth.users.items()
        if len(password.get_secret_value()) < SHORT_SECRET
    ]
    if settings.relay.peers is Peers.ANY and not settings.relay.denied_peers.default:
        short.append("relay.denied_peers: without default, private networks can be reached")
    return [*short, *private_relays(settings)]


def _is_section(name: str) -> bool:
    annotation = Settings.model_fields[name].annotation
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _lines(details: list[ErrorDetails]) -> list[str]:
    """Write one line per fault. A list whose items have faults is not called too short as well."""
    within = {detail["loc"][:-1] for detail in details if isinstance(detail["loc"][-1], int)}
    return [_line(detail) for detail in details if detail["loc"] not in within]


def _line(detail: ErrorDetails) -> str:
    """Write one fault: key, value, what callveil expects."""
    location = detail["loc"]
    key = _key(location)
    if detail["type"] in ("extra_forbidden", "invalid_key"):
        return f"{key}: unknown key{_suggestion(location)}"
    expected = _expected(detail)
    if _may_hold_secret(location):
        return f"{key}: {expected}"
    return f"{key}: {_shown(detail['input'])}: {expected}"


def _key(location: tuple[int | str, ...]) -> str:
    """Write `('auth', 'secrets', 0)` as `auth.secrets[0]`, on one line whatever the keys hold."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return _short(text.removeprefix(".").encode("unicode_escape").decode())


def _shown(value: Any) -> str:
    return _short(repr(list(value) if isinstance(value, tuple) else value))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _may_hold_secret(location: tuple[int | str, ...]) -> bool:
    """Whether a secret key is at, above or below this place."""
    names = tuple(part for part in location if isinstance(part, str))
    return any(names[: len(secret)] == secret[: len(names)] for secret in SECRET_KEYS)


def _expected(detail: ErrorDetails) -> str:
    """Say what callveil expects: what the value's parser said, or else the field's description."""
    said = str(detail.get("ctx", {}).get("error", ""))
    if said.startswith("expected"):
        return said
    model: type[BaseModel] = Settings
    description = "a mapping"
    for part in detail["loc"]:
        if isinstance(part, int):
            break
        field = model.model_fields[part]
        description = field.description or description
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model, description = field.annotation, "a mapping"
    return f"expected {description}"


def _suggestion(location: tuple[int | str, ...]) -> str:
    """Suggest the known key that is nearest to an unknown one."""
    known: type[BaseModel] = Settings
    for part in location[:-1]:
        annotation = known.model_fields[str(part)].annotation
        assert isinstance(annotation, type)  # noqa: S101  only sections hold keys
        known = annotation
    near = difflib.get_close_matches(str(location[-1]), list(known.model_fields), n=1)
    return f"; did you mean {near[0]}?" if near else ""
