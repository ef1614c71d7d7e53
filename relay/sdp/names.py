"""Names that a client made up: replaced where they could say who or where it is.

Rules of this file: replacements are numbered by first appearance, so that one name becomes one name
throughout a description, and a description that was rebuilt stays as it is.
"""

import re

from relay.sdp.removal import Kind, Tally

_PLAIN = re.compile(r"[A-Za-z0-9{}_+/=-]{1,64}")
"""What stream and track ids look like that browsers and applications make: UUIDs, base64, words.
An `@` or a dot is in ids that are made of a user's or a host's name."""


class Names:
    """The replacements within one description."""

    __slots__ = ("_cnames", "_streams", "_tally")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._cnames: dict[str, str] = {}
        self._streams: dict[str, str] = {}

    def cname(self, name: str) -> str:
        """An RTCP canonical name: the same for the same, and nothing else of it.

        Spec: RFC 5576 section 6.1, RFC 7022.
        """
        new = self._cnames.setdefault(name, f"callveil-{len(self._cnames)}")
        return self._tally.constant(Kind.CNAME, name, new)

    def stream(self, name: str) -> str:
        """The id of a media stream or track. Kept where it is plain: applications refer to it.

        Spec: RFC 8830.
        """
        if _PLAIN.fullmatch(name):
            return name
        new = self._streams.setdefault(name, f"callveil-stream-{len(self._streams)}")
        return self._tally.constant(Kind.STREAM_ID, name, new)
