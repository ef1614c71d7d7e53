"""Values of the examples that the OpenAPI document and `docs/api.md` show.

Rules of this file: what an example asks with, the API takes as it stands here, and addresses are of
the ranges for documentation.
"""

from pydantic.config import JsonDict

CALL = "cv_QmFzZTY0dXJsMTI4Yml0cw"
LEG = "bGVnIG9mIHRoZSBjYWxsISE"

HEAD: JsonDict = {
    "id": CALL,
    "relayed": True,
    "masked": ["alice", "bob"],
    "expires_at": "2026-01-01T00:00:00Z",
}
SERVERS: JsonDict = {
    "iceServers": [
        {
            "urls": ["turn:relay.example.org:3478?transport=udp"],
            "username": f"1767225600:{CALL}:{LEG}",
            "credential": "aGVyZSBnb2VzIHRoZSBNQUMhISE=",
        }
    ],
    "iceTransportPolicy": "relay",
}
ACTIVE: JsonDict = {
    **HEAD,
    "state": "active",
    "parties": {
        "alice": {
            "leg": LEG,
            "connected": True,
            "transport": "udp",
            "path": "user",
            "packets": 5012,
            "bytes": 801920,
            "dropped": 0,
        }
    },
}
"""A call with one of its parties."""

THEIRS = (
    "candidate:842163049 1 udp 41885695 192.0.2.1 50000 typ relay raddr 198.51.100.20 rport 61002"
)
OURS = "candidate:1 1 udp 50331647 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"
"""A candidate as a client writes it, and what becomes of it."""

_SECTION = (
    "a=ice-ufrag:F7gI\r\n"
    "a=ice-pwd:x9cml/YzichV2+XlhiMu8g\r\n"
    "a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24"
    ":2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F\r\n"
    "a=setup:actpass\r\n"
    "a=mid:0\r\n"
    "a=sctp-port:5000\r\n"
)
WRITTEN = (
    "v=0\r\no=- 4611733055551935 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=application 50000 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.1\r\n"
    f"a={THEIRS}\r\n{_SECTION}"
)
_HEAD = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
_MEDIA = "m=application {port} UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 {host}\r\n"
REBUILT = _HEAD + _MEDIA.format(port=9, host="0.0.0.0") + _SECTION  # noqa: S104  no socket
COMPLETE = f"{_HEAD}{_MEDIA.format(port=50000, host='192.0.2.1')}{_SECTION}a={OURS}\r\n"
"""A description as a client writes it, what is passed on while the call rings, and afterwards."""

REMOVED: list[JsonDict] = [
    {"kind": "origin", "count": 1},
    {"kind": "candidate_detail", "count": 1},
    {"kind": "port", "count": 1},
    {"kind": "connection", "count": 1},
]
