"""Writes the log: an event name and counts, and never an address.

    log = logging.getLogger(__name__)
    log.info("call_ended", extra={"legs": 2})

Rules of this file: it fails closed. If the text of a record looks as if it held an address, other
than that of a listener of the operator's, only its event name and the word "redacted" are written.
The same is done with a record that cannot be rendered. A traceback shows places and types and no
messages, because messages of the operating system and of libraries quote addresses.
"""

import errno
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

MAX_CHAIN = 8
"""How many exceptions of one chain of causes a traceback shows."""

_NUMBERS = re.compile(r"[0-9a-fA-F:.]{3,}")
_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_IPV6 = re.compile(r"[0-9a-fA-F]::|::[0-9a-fA-F]|(?:[0-9a-fA-F]{1,4}:){5}")
_EVENT = re.compile(r"[A-Za-z0-9_.% =-]{1,80}")

_QUIET = ("uvicorn", "uvicorn.error", "aioice", "aiortc", "asyncio")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def looks_like_address(text: str, own: frozenset[str] = frozenset()) -> bool:
    """Whether the text may hold an IPv4, IPv6 or MAC address.

    Errs towards yes: it takes a version of four numbers for an address.

    Args:
        own: hosts that the log may show, as `own_hosts` gives them.
    """
    return any(host not in own for host in _hosts(text))


def own_hosts(urls: Iterable[str]) -> frozenset[str]:
    """Find the hosts in the operator's listen addresses."""
    return frozenset(host for url in urls for host in _hosts(url))


def _hosts(text: str) -> Iterator[str]:
    """Find whatever has the shape of an address; IPv4 without its port."""
    for match in _NUMBERS.finditer(text):
        token = match[0]
        if _IPV6.search(token):
            yield token
        elif _IPV4.search(token):
            yield from (part.strip(".") for part in token.split(":") if _IPV4.search(part))


class Formatter(logging.Formatter):
    """Writes a record as one line of words or JSON. A traceback follows the line, or is a field."""

    def __init__(self, *, as_json: bool, own: frozenset[str]) -> None:
        super().__init__()
        self._as_json = as_json
        self._own = own

    def format(self, record: logging.LogRecord) -> str:
        try:
            event, fields = record.getMessage(), _fields(record)
            rendered = self._render(record, event, fields)
        except Exception:  # a bad log call must not end the daemon, nor print its arguments
            return self._render(record, self._name(record), {"redacted": True})
        told = json.dumps([event, fields], default=str, ensure_ascii=False)
        if looks_like_address(told, self._own) or looks_like_address(event, self._own):
            return self._render(record, self._name(record), {"redacted": True})
        return rendered

    def _render(self, record: logging.LogRecord, event: str, fields: dict[str, Any]) -> str:
        head = _head(record.created, record.levelname.lower(), record.name)
        if self._as_json:
            return json.dumps(head | {"event": event} | fields, default=str)
        trace = fields.get("trace", "")
        words = [
            name if value is True else f"{name}={value}"
            for name, value in fields.items()
            if name != "trace"
        ]
        line = " ".join([*head.values(), event, *words])
        return f"{line}\n{trace}" if trace else line

    def _name(self, record: logging.LogRecord) -> str:
        """The name of the event; "event" where a log call has put a text together instead."""
        name = str(record.msg) if isinstance(record.msg, str) else ""
        if _EVENT.fullmatch(name) is None or looks_like_address(name):
            return "event"
        return name


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record: what `extra` gave, and the traceback."""
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info and record.exc_info[1] is not None:
        fields["trace"] = trace(record.exc_info[1])
    return fields


def trace(error: BaseException) -> str:
    """Write places and types of an exception and its causes; no messages, no local variables."""
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < MAX_CHAIN:
        frames = traceback.extract_tb(link.__traceback__)
        places = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        parts.insert(0, "\n".join([*places, _kind(link)]))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(parts)


def _kind(error: BaseException) -> str:
    """The type of an exception; of an OSError its errno too, which is safe and needed."""
    kind = type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        return f"{kind} {errno.errorcode.get(error.errno, error.errno)}"
    return kind


class _Style:
    """How `say` writes its lines in this process."""

    as_json = False


def say(event: str, text: str, level: str = "info", **fields: Any) -> None:
    """Write a line that may quote the operator's configuration, addresses included, on stderr.

    Args:
        event: the name of the event in JSON.
        text: the line, where the log is not JSON.
        fields: the fields of the event in JSON.
    """
    if _Style.as_json:
        text = json.dumps(_head(time.time(), level, "relay") | {"event": event} | fields)
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _head(created_s: float, level: str, logger: str) -> dict[str, Any]:
    """Time, level and logger, with which every line begins."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created_s))
    return {"time": f"{moment}.{int(created_s % 1 * 1000):03d}Z", "level": level, "logger": logger}


def configure(level: str = "info", *, as_json: bool = False, own: Iterable[str] = ()) -> None:
    """Send every log record and every uncaught exception of the process through `Formatter`.

    Args:
        level: debug, info, warning or error.
        own: the operator's listen addresses as URLs, which the log may show.
    """
    _Style.as_json = as_json
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(as_json=as_json, own=own_hosts(own)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # what it prints for a bad log call quotes the arguments
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.setLevel(logging.WARNING)
    access = logging.getLogger("uvicorn.access")  # one address per line
    access.handlers[:] = [logging.NullHandler()]
    access.propagate = False
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda hook: _log_uncaught(hook.exc_type, hook.exc_value, None)
    sys.unraisablehook = lambda hook: _log_uncaught(hook.exc_type, hook.exc_value, None)


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, _: TracebackType | None
) -> None:
    logging.getLogger("relay").critical(
        "uncaught", exc_info=error if error is not None else kind(), extra={"kind": kind.__name__}
    )
