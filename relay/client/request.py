"""A request as a value, and how its answer is read. No sockets: both clients send it.

Rules of this file: no exception repeats what a server answered, but for the texts of a problem.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from relay.errors import ApiFault, BadAnswer

T = TypeVar("T")
D = TypeVar("D", bound=Mapping[str, Any])

MAX_ANSWER_BYTES = 1 << 26
"""64 MiB: the relay's own answers are a hundredth of it."""

_PROBLEM = "urn:callveil:problem:"


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer to one request."""

    status: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request.

    Args:
        read: makes the verb's result of the answer. Raises: ApiFault or BadAnswer. Nothing else.
        body: what to send as JSON; None for nothing.
    """

    method: str
    path: str
    read: Callable[[Answer], T]
    body: object = None

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return b"" if self.body is None else json.dumps(self.body).encode()


class Content:
    """The content of an answer while it arrives."""

    def __init__(self) -> None:
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take the next part. Raises: BadAnswer, where it is too much."""
        self._content += chunk
        if len(self._content) > MAX_ANSWER_BYTES:
            raise BadAnswer("is too long")

    def whole(self) -> bytes:
        """All of it."""
        return bytes(self._content)


def document(form: type[D]) -> Callable[[Answer], D]:
    """Read an answer whose document has the fields of `form`, and maybe more."""

    def read(answer: Answer) -> D:
        nothing(answer)
        found = _parsed(answer.content)
        if not isinstance(found, dict):
            raise BadAnswer("is not JSON" if found is None else "is not a JSON object")
        required: frozenset[str] = form.__required_keys__  # type: ignore[attr-defined]  # TypedDict
        if missing := sorted(required - found.keys()):
            raise BadAnswer(f"has no {missing[0]}")
        return cast(D, found)

    return read


def nothing(answer: Answer) -> None:
    """Read an answer of which only the status matters."""
    if not 200 <= answer.status < 300:
        raise fault_of(answer)


def readiness(answer: Answer) -> bool:
    """Read the answer of `/readyz`: a relay that takes no new calls is no fault."""
    try:
        nothing(answer)
    except ApiFault as fault:
        if fault.kind != "not_ready":
            raise
        return False
    return True


def fault_of(answer: Answer) -> ApiFault:
    """Read a problem (RFC 9457); what is missing of it is empty."""
    problem = _parsed(answer.content)
    texts = problem if isinstance(problem, dict) else {}
    type_, title, detail, call = (
        text if isinstance(text := texts.get(name), str) else ""
        for name in ("type", "title", "detail", "call")
    )
    kind = type_.removeprefix(_PROBLEM) if type_.startswith(_PROBLEM) else ""
    return ApiFault(kind, answer.status, title, detail, call)


def _parsed(content: bytes) -> Any:
    """The JSON document; None where there is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
