"""Patterns for the values of codecs: payload formats, feedback, header extensions, layers.

Rules of this file: no part of a pattern can match a dotted or colon-separated address. No pattern
has a nested repetition, so that each takes linear time on any text. Parameters come from lists.
"""

import re
from collections.abc import Callable
from functools import partial

from relay.sdp.removal import RemovedKind, Tally

_compiled = partial(re.compile, flags=re.ASCII)

NUMBER = r"\d{1,9}"
NAME = r"[A-Za-z0-9_+-]{1,64}"
"""The form of mids and rids: tokens (RFC 8866 section 9) without dots."""

_PARAMETERS: dict[str, str] = {
    NUMBER: """
        minptime maxptime ptime useinbandfec usedtx cbr stereo sprop-stereo maxplaybackrate
        sprop-maxcapturerate maxaveragebitrate num_streams coupled_streams apt rtx-time
        packetization-mode level-asymmetry-allowed max-mbps max-fs max-cpb max-dpb max-br max-smbps
        max-fr max-rcmd-nalu-size redundant-pic-cap sps-pps-idr-in-keyframe profile level-idx tier
        profile-id profile-space tier-flag level-id max-recv-level-id max-lsr max-lps repair-window
        bitrate mode-change-period mode-change-capability mode-change-neighbor octet-align crc
        robust-sorting interleaving channels max-red object cpresent sizelength indexlength
        indexdeltalength streamtype ibitrate maxbitrate x-google-min-bitrate x-google-max-bitrate
        x-google-start-bitrate x-google-max-quantization vbr level l d
    """,
    r"[0-9A-Fa-f]{1,64}": "profile-level-id interop-constraints config",
    r"\d{1,3}(?:,\d{1,3}){0,31}": "channel_mapping mode-set",
    r"[A-Za-z0-9-]{1,16}": "mode annexb tx-mode cng emphasis",
    r"[A-Za-z0-9+/=,]{1,4096}": "sprop-parameter-sets sprop-vps sprop-sps sprop-pps",
}
"""Patterns of values, and the parameters that have such values: RFC 7587 (Opus), 6184 (H.264), 7798
(H.265), 7741 (VP8), 9628 (VP9), 4588 (rtx), 8627 (flexfec), 4867 (AMR), 3640 (AAC), the AV1 RTP
specification, and what libwebrtc adds."""

_VALUES = {key: _compiled(pattern) for pattern, keys in _PARAMETERS.items() for key in keys.split()}
_BARE = _compiled(r"\d{1,3}(?:-\d{1,3})?(?:,\d{1,3}(?:-\d{1,3})?){0,31}|\d{1,3}(?:/\d{1,3}){1,31}")
"""Values without a name: events of telephone-event (RFC 4733 section 2.4.1), formats in red (RFC
2198)."""

_FMTP = _compiled(r"(\d{1,3}) (.*)")
_RID = _compiled(rf"({NAME} (?:send|recv))(?: (.*))?")
_RID_VALUES = {
    "pt": _compiled(r"\d{1,3}(?:,\d{1,3}){0,31}"),
    "depend": _compiled(rf"{NAME}(?:,{NAME}){{0,7}}"),
    **dict.fromkeys(
        ("max-width", "max-height", "max-fps", "max-fs", "max-br", "max-pps"), _compiled(NUMBER)
    ),
}
"""RFC 8851 section 5."""

RTPMAP = r"\d{1,3} [A-Za-z0-9_-]{1,32}/\d{1,6}(?:/\d{1,2})?"
RTCP_FB = (
    r"(?:\*|\d{1,3}) (?:(?:ack|nack)(?: (?:pli|sli|rpsi|rai|app|ecn))?|trr-int \d{1,5}|goog-remb"
    r"|ccm (?:fir|tmmbr|tstr|vbcm|pause)(?: [a-z]{1,8}=\d{1,5})?|transport-cc|rrtr|goog-lntf)"
)
"""RFC 4585 section 4.2, RFC 5104 section 7.1, and what libwebrtc adds."""

_LAYERS = rf"(?:send|recv) (?:rid=)?~?{NAME}(?:[;,]~?{NAME}){{0,31}}"
SIMULCAST = rf" ?{_LAYERS}(?: {_LAYERS})?"
"""RFC 8853 section 5.1; with `rid=` and the blank, what Firefox wrote before it."""

_EXTMAP = _compiled(r"(\d{1,5}(?:/(?:sendonly|recvonly|sendrecv|inactive))?) (\S+)(?: (\S+))?(.*)")
_EXTENSIONS = _compiled(
    r"urn:ietf:params:rtp-hdrext:(?:sdes:)?[A-Za-z0-9-]{1,48}|urn:3gpp:video-orientation(?::6)?"
    r"|http://www\.webrtc\.org/experiments/rtp-hdrext/[a-z0-9-]{1,48}"
    r"|http://(?:www\.ietf\.org/id|tools\.ietf\.org/html)/draft-[a-z0-9-]{1,80}"
    r"|https://aomediacodec\.github\.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)
_ENCRYPTED = "urn:ietf:params:rtp-hdrext:encrypt"  # RFC 6904: another URI follows


def fmtp(value: str, tally: Tally) -> str | None:
    """Keep the known parameters of `a=fmtp`. Spec: RFC 8866 section 6.15."""
    parts = _FMTP.fullmatch(value)
    if parts is None:
        return None
    kept = _parameters(parts[2], tally, _is_parameter)
    return f"{parts[1]} {kept}" if kept else None


def rid(value: str, tally: Tally) -> str | None:
    """Keep the known restrictions of `a=rid`. Spec: RFC 8851 section 10."""
    parts = _RID.fullmatch(value)
    if parts is None:
        return None
    kept = _parameters(parts[2] or "", tally, _is_restriction)
    return f"{parts[1]} {kept}".rstrip()


def extmap(value: str, tally: Tally) -> str | None:
    """Keep a known header extension of `a=extmap`, without attributes. Spec: RFC 8285 section 5."""
    parts = _EXTMAP.fullmatch(value)
    if parts is None or not _EXTENSIONS.fullmatch(parts[2]):
        return None
    kept = f"{parts[1]} {parts[2]}"
    if parts[2] == _ENCRYPTED:
        if not _EXTENSIONS.fullmatch(parts[3] or ""):
            return None
        kept += f" {parts[3]}"
    return tally.constant(RemovedKind.PARAMETER, value, kept)


def _parameters(text: str, tally: Tally, is_known: Callable[[str, str, str], bool]) -> str:
    kept = []
    for parameter in filter(None, (part.strip() for part in text.split(";"))):
        if is_known(*parameter.partition("=")):
            kept.append(parameter)
        else:
            tally.add(RemovedKind.PARAMETER)
    return ";".join(kept)


def _is_parameter(key: str, equals: str, value: str) -> bool:
    if not equals:
        return _BARE.fullmatch(key) is not None
    pattern = _VALUES.get(key.lower())
    return pattern is not None and pattern.fullmatch(value) is not None


def _is_restriction(key: str, equals: str, value: str) -> bool:
    pattern = _RID_VALUES.get(key)
    return bool(equals) and pattern is not None and pattern.fullmatch(value) is not None
