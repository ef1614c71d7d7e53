"""Every error of callveil, drawn as one tree.

    RelayError
    ├── ConfigError            the configuration is wrong: key, value, what callveil expects
    ├── ProtocolError          a client sent what the relay does not act upon
    │   ├── Malformed          the relay drops the datagram and counts its DropReason
    │   └── Rejected           the relay answers with the STUN error code
    ├── CallError              the relay cannot do what a signaling server asks: kind, detail
    ├── ClientError            a request of relay.client failed
    │   ├── ApiFault           the API refused it: kind, status, title, detail, call
    │   ├── NoAnswer           the relay did not answer
    │   └── BadAnswer          what answered is no callveil
    ├── CommandError           a command failed: why, and what to check
    └── FastPathError          the kernel cannot forward: what is missing

Rules: parsers raise `Malformed` and nothing else; request handlers raise `Rejected` or `Malformed`
and nothing else; no message of any of these carries an address.
"""

from enum import Enum, IntEnum


class DropReason(IntEnum):
    """Why the relay dropped a datagram; docs/operations.md explains each reason.

    One list, three uses: the reason in `Malformed`, the `reason` label of `callveil_drops_total`,
    and the index of the kernel's counters. Values are appended and never renumbered, because pinned
    maps of an older daemon count by them.
    """

    TOO_SHORT = 0
    BAD_LENGTH = 1
    BAD_COOKIE = 2
    BAD_CHANNEL = 3
    BAD_ATTRIBUTE = 4
    BAD_FINGERPRINT = 5
    NOT_A_REQUEST = 6
    UNKNOWN_METHOD = 7
    NO_ALLOCATION = 8
    NO_CHANNEL = 9
    NO_PERMISSION = 10
    NOT_A_SIBLING = 11
    RINGING = 12
    EXPIRED = 13
    OVER_BITRATE = 14
    OVER_PACKETS = 15
    UNAUTHENTICATED = 16
    UNAUTHENTICATED_RATE = 17
    SLOW_READER = 18
    SEND_FAILED = 19
    TOO_BIG = 20
    OWN_SOURCE = 21
    INTERNAL = 22
    UNKNOWN_SOURCE = 23
    UNKNOWN_TARGET = 24
    GUESSED = 25
    NO_CONSENT = 26
    CROWDED = 27
    REQUEST_RATE = 28
    BAD_PROXY_HEADER = 29
    CLIENT_TAKEN = 30

    @property
    def label(self) -> str:
        """The value of the label `reason` of `callveil_drops_total`: the name in lower case."""
        return self.name.lower()


class RefusalReason(Enum):
    """Why the relay refused a request, where the code of the answer does not tell; the label
    `reason` of `callveil_refused_total`.
    """

    NAMES_NO_CALL = "names_no_call"
    """A valid credential names no call, and `peers` is `call`."""
    REVOKED = "revoked"
    """Its user is revoked."""


class RelayError(Exception):
    """Root of all errors of callveil."""


class ConfigError(RelayError):
    """Faults of the configuration: each is one line with key, value and what callveil expects."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class ProtocolError(RelayError):
    """A client sent something that the relay does not act upon."""


class Malformed(ProtocolError):
    """A datagram that the relay drops and counts, and never answers."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.label)
        self.reason = reason


class Rejected(ProtocolError):
    """A request that the relay answers with a STUN error response.

    Args:
        code: 300..=699, the ERROR-CODE of RFC 8489 section 14.8 or RFC 8656 section 19.
        reason: where it is counted too.
    """

    def __init__(self, code: int, reason: RefusalReason | None = None) -> None:
        super().__init__(str(code))
        self.code = code
        self.reason = reason


class CallError(RelayError):
    """The relay cannot do what a signaling server asks for.

    Args:
        kind: a word of a closed list, `unknown_call`, `wrong_state`, …; the `type` of the problem.
        detail: sentences for the person who reads the answer: what is wrong and what to do. No
            address.
        call: the id of the call, where there is one.
    """

    def __init__(self, kind: str, detail: str, call: str = "") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.call = call


class ClientError(RelayError):
    """A request of `relay.client` failed. The message is a sentence that a page may show."""


class ApiFault(ClientError):
    """The API refused a request.

    Args:
        kind: the last word of the problem's `type`, of a closed list in docs/api.md; empty if the
            answer is no problem of callveil, such as that of a proxy.
        status: that of the HTTP answer.
        title: what the relay says of every problem of this kind.
        detail: what is wrong with this request, and what is expected.
        call: the id of the call, if the problem is about one that the relay knows.
    """

    def __init__(
        self, kind: str, status: int, title: str = "", detail: str = "", call: str = ""
    ) -> None:
        super().__init__(detail or title or f"The relay refuses ({status}).")
        self.kind = kind
        self.status = status
        self.title = title
        self.detail = detail
        self.call = call


class NoAnswer(ClientError):
    """The relay did not answer.

    Args:
        reason: the system's words, such as "Connection refused".
    """

    def __init__(self, reason: str) -> None:
        super().__init__("The relay does not answer.")
        self.reason = reason


class BadAnswer(ClientError):
    """Something answered, and not as callveil does.

    Args:
        reason: what the answer is, such as "is not JSON".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"The answer {reason}.")
        self.reason = reason


class CommandError(RelayError):
    """A command failed. The message is one line for stderr, and the exit code is 1."""


class FastPathError(RelayError):
    """The kernel cannot forward packets; the message says what is missing."""
