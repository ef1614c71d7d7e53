"""The allow list of `a=` lines: which attributes, where they may stand, and rules for their values.

Rules of this file: an attribute that is not in `ALLOWED` is dropped, and so is a value that its
rule does not understand whole. A rule returns the value to write, or None. `section.py` writes
candidates and the constants of every section (`rtcp`, `rtcp-mux`).
"""

import re
from collections.abc import Callable
from enum import Flag
from typing import NamedTuple

from relay.sdp import formats
from relay.sdp.names import Names
from relay.sdp.removal import RemovedKind, Tally


class Level(Flag):
    """Where an attribute may stand."""

    SESSION = 1
    MEDIA = 2
    BOTH = 3


class Writing(NamedTuple):
    """What a rule needs: the replacements of names, and the count of what is removed."""

    names: Names
    tally: Tally


Rule = Callable[[str, Writing], str | None]


class Allowed(NamedTuple):
    """One entry of the allow list: where the attribute may stand, and the rule for its value."""

    level: Level
    rule: Rule


_ICE_CHAR = "[A-Za-z0-9+/]"
_ICE_OPTIONS = frozenset({"trickle", "ice2", "renomination"})
_HEX_PAIRS = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
_SSRC = r"\d{1,10}"
_SSRC_LINE = re.compile(
    rf"({_SSRC}) (cname|msid|mslabel|label):(\S{{1,255}})(?: (\S{{1,255}}))?", re.ASCII
)
_MSID = re.compile(r"(\S{1,255})(?: (\S{1,255}))?")
_MID = re.compile(formats.NAME, re.ASCII)
_FINGERPRINT = re.compile(r"(\S{5,7}) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){19,63})")


def _matching(pattern: str) -> Rule:
    """Make a rule that keeps a value of this form as it is."""
    whole = re.compile(pattern, re.ASCII)
    return lambda value, _: value if whole.fullmatch(value) else None


def _group(value: str, writing: Writing) -> str | None:
    """Keep groups of the semantics BUNDLE and LS. Spec: RFC 5888, RFC 9143."""
    semantics, *mids = value.split()[:1025] or [""]
    if semantics not in ("BUNDLE", "LS"):
        return None
    known = [mid for mid in mids if _MID.fullmatch(mid)]
    if len(known) < len(mids):
        writing.tally.add(RemovedKind.PARAMETER)
    return " ".join([semantics, *known])


def _ice_options(value: str, writing: Writing) -> str | None:
    options = value.split()
    known = [option for option in options if option in _ICE_OPTIONS]
    if len(known) < len(options):
        writing.tally.add(RemovedKind.PARAMETER)
    return " ".join(known) or None


def _fingerprint(value: str, _: Writing) -> str | None:
    """Keep a fingerprint of SHA-1 or SHA-2; MD5 and MD2 are obsolete. Spec: RFC 8122 section 5."""
    parts = _FINGERPRINT.fullmatch(value)
    if parts is None or _HEX_PAIRS.get(parts[1].lower(), 0) * 3 - 1 != len(parts[2]):
        return None
    return value


def _msid(value: str, writing: Writing) -> str | None:
    """Keep stream and track, with replaced names. Spec: RFC 8830 section 2."""
    parts = _MSID.fullmatch(value)
    return " ".join(_streams(parts.groups(), writing)) if parts else None


def _ssrc(value: str, writing: Writing) -> str | None:
    """Keep `cname`, and `msid`, `mslabel` and `label` of libwebrtc, with replaced names.

    Spec: RFC 5576 section 4.1.
    """
    parts = _SSRC_LINE.fullmatch(value)
    if parts is None:
        return None
    ssrc, name, *values = parts.groups()
    if name == "cname":
        return f"{ssrc} cname:{writing.names.cname(values[0])}"
    return f"{ssrc} {name}:{' '.join(_streams(values, writing))}"


def _streams(ids: "tuple[str | None, ...] | list[str]", writing: Writing) -> list[str]:
    return [writing.names.stream(each) for each in ids if each]


_FLAG = _matching("")

ALLOWED: dict[str, Allowed] = {
    # The description as a whole
    "group": Allowed(Level.SESSION, _group),
    "msid-semantic": Allowed(Level.SESSION, lambda _, __: " WMS *"),  # which ones is in `msid`
    "ice-lite": Allowed(Level.SESSION, _FLAG),
    # Transport: RFC 8839, 8842, 8122
    "ice-ufrag": Allowed(Level.BOTH, _matching(rf"{_ICE_CHAR}{{4,256}}")),
    "ice-pwd": Allowed(Level.BOTH, _matching(rf"{_ICE_CHAR}{{22,256}}")),
    "ice-options": Allowed(Level.BOTH, _ice_options),
    "ice-pacing": Allowed(Level.SESSION, _matching(r"\d{1,5}")),
    "fingerprint": Allowed(Level.BOTH, _fingerprint),
    "setup": Allowed(Level.BOTH, _matching("actpass|active|passive|holdconn")),
    "end-of-candidates": Allowed(Level.BOTH, _FLAG),
    "bundle-only": Allowed(Level.MEDIA, _FLAG),
    "rtcp-mux-only": Allowed(Level.MEDIA, _FLAG),
    "rtcp-rsize": Allowed(Level.BOTH, _FLAG),
    # What is sent, and which way: RFC 8866, 5888, 8830, 5576
    **{
        name: Allowed(Level.BOTH, _FLAG)
        for name in ("sendrecv", "sendonly", "recvonly", "inactive", "extmap-allow-mixed")
    },
    "mid": Allowed(Level.MEDIA, _matching(formats.NAME)),
    "msid": Allowed(Level.MEDIA, _msid),
    "ssrc": Allowed(Level.MEDIA, _ssrc),
    "ssrc-group": Allowed(
        Level.MEDIA, _matching(rf"(?:FID|SIM|FEC|FEC-FR|DUP)(?: {_SSRC}){{1,32}}")
    ),
    "content": Allowed(Level.MEDIA, _matching("main|slides|speaker|sl|alt")),  # RFC 4796
    # How it is coded: RFC 8866, 4585, 8285, 8851, 8853
    "rtpmap": Allowed(Level.MEDIA, _matching(formats.RTPMAP)),
    "fmtp": Allowed(Level.MEDIA, lambda value, writing: formats.fmtp(value, writing.tally)),
    "rtcp-fb": Allowed(Level.MEDIA, _matching(formats.RTCP_FB)),
    "extmap": Allowed(Level.BOTH, lambda value, writing: formats.extmap(value, writing.tally)),
    "rid": Allowed(Level.MEDIA, lambda value, writing: formats.rid(value, writing.tally)),
    "simulcast": Allowed(Level.MEDIA, _matching(formats.SIMULCAST)),
    "ptime": Allowed(Level.MEDIA, _matching(r"\d{1,4}")),
    "maxptime": Allowed(Level.MEDIA, _matching(r"\d{1,4}")),
    "framerate": Allowed(Level.MEDIA, _matching(r"\d{1,3}(?:\.\d{1,6})?")),
    # Data channels: RFC 8841, and its drafts, which are still spoken
    "sctp-port": Allowed(Level.MEDIA, _matching(r"\d{1,5}")),
    "max-message-size": Allowed(Level.MEDIA, _matching(r"\d{1,19}")),
    "sctpmap": Allowed(Level.MEDIA, _matching(r"\d{1,5} webrtc-datachannel(?: \d{1,5})?")),
}


def rewrite(name: str, value: str, level: Level, writing: Writing) -> str | None:
    """Rewrite an attribute, without `a=`; None if it is dropped, which is counted."""
    allowed = ALLOWED.get(name)
    if allowed is None or level not in allowed.level:
        writing.tally.add(RemovedKind.ATTRIBUTE)
        return None
    kept = allowed.rule(value, writing)
    if kept is None:
        writing.tally.add(RemovedKind.VALUE)
        return None
    return f"{name}:{kept}" if kept else name
