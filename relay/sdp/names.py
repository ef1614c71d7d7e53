"""Replaces names that a client made up, where they could tell who or where the client is.

Rules of this file: replacements are numbered in the order of appearance. So one name has one
replacement in a whole description, and rebuilding a description again changes nothing.
"""

import re

from relay.sdp.removal import RemovedKind, Tally

_PLAIN = re.compile(r"[A-Za-z0-9{}_+/=-]{1,64}")
"""The form of ids that browsers and applications make for streams and tracks: UUIDs, base64, words.
An id with an `@` or a dot may be made of the name of a user or a host."""


class Names:
    """The replacements within one description."""

    __slots__ = ("_cnames", "_streams", "_tally")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._cnames: dict[str, str] = {}
        self._streams: dict[str, str] = {}

    def cname(self, name: str) -> str:
        """Replace an RTCP canonical name; equal names get equal replacements.

        Spec: RFC 5576 section 6.1, RFC 7022.
        """
        new = self._cnames.setdefault(name, f"callveil-{len(self._cnames)}")
        return self._tally.constant(RemovedKind.CNAME, name, new)

    def stream(self, name: str) -> str:
        """Replace the id of a media stream or track. A plain id is kept: applications refer to it.

        Spec: RFC 8830.
        """
        if _PLAIN.fullmatch(name):
            return name
        new = self._streams.setdefault(name, f"callveil-stream-{len(self._streams)}")
        return self._tally.constant(RemovedKind.STREAM_ID, name, new)
