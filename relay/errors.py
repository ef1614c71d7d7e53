"""Every error of callveil, drawn as one tree.

    RelayError
    ├── ConfigError            the operator's: a key, a value, what was expected
    ├── ProtocolError          the wire's
    │   ├── Malformed          drop the datagram and count its DropReason
    │   └── Rejected           answer with the STUN error code it carries
    ├── CallError              the signaling server's: unknown call, wrong state
    ├── CommandError           the command line's: what was asked for failed, what to check
    └── FastPathError          the kernel's: the fast path is off, and why

Rules: parsers raise `Malformed` and nothing else; request handlers raise `Rejected` or `Malformed`
and nothing else; no message of any of these carries an address.
"""

from enum import IntEnum


class DropReason(IntEnum):
    """Why a datagram went no further.

    One list, three uses: the reason in `Malformed`, the `reason` label of `callveil_drops_total`,
    and the index of the kernel's counters. Values are appended, never renumbered: pinned maps of
    an older daemon count by them.
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

    @property
    def label(self) -> str:
        """The value of the metric's `reason` label: the name in lower case."""
        return self.name.lower()


class RelayError(Exception):
    """Root of the tree."""


class ConfigError(RelayError):
    """A fault of the configuration: one line per fault, each naming key, value and expectation."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class ProtocolError(RelayError):
    """Something on the wire that is not acted upon."""


class Malformed(ProtocolError):
    """A datagram that is dropped and counted, never answered."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.label)
        self.reason = reason


class Rejected(ProtocolError):
    """A request that is answered with a STUN error response.

    Args:
        code: 300..=699, the ERROR-CODE of RFC 8489 section 14.8 or RFC 8656 section 19.
    """

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class CallError(RelayError):
    """What a signaling server asked for cannot be done.

    Args:
        kind: a word of a closed list, `unknown_call`, `wrong_state`, …; the problem's `type`.
        detail: one sentence for the person who reads the answer; carries no address.
    """

    def __init__(self, kind: str, detail: str, call: str = "") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.call = call


class CommandError(RelayError):
    """What the command line was asked for failed: one line for stderr, and exit 1."""


class FastPathError(RelayError):
    """The kernel fast path cannot be used; the message says what is missing."""
