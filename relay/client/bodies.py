"""The bodies of requests and answers, as JSON has them.

Rules of this file: each class has the name and the fields of its schema in the OpenAPI document,
which says what each field means; a test compares the two. They are dictionaries, so that an
`rtc_configuration` goes on to a party as it came.
"""

from typing import Literal, NotRequired, TypedDict

CallState = Literal["ringing", "active", "ended"]
MessageRequest = Literal["none", "sent", "accepted"]
PermissionSwitch = Literal["follow", "address_book", "verified", "accepted_message", "everyone"]
PermissionReason = Literal[
    "calling_off",
    "blocked",
    "not_admitted",
    "follow",
    "address_book",
    "verified",
    "accepted_message",
    "everyone",
]


class IceCredentials(TypedDict):
    """`a=ice-ufrag` and `a=ice-pwd` of a session description."""

    ufrag: str
    pwd: str


class PartyAddress(TypedDict):
    """The numeric address of a party without ICE."""

    address: str
    port: int


class PartyCreate(TypedDict):
    """One party of a call to create.

    `ice` and an `address` with its port are for ports mode. A media server has an IP address as
    text, and `ports`.
    """

    id: str
    enhanced_call_privacy: NotRequired[bool]
    ice: NotRequired[IceCredentials]
    address: NotRequired[PartyAddress | str]
    ports: NotRequired[str]


class PartyUpdate(TypedDict):
    """A party to change or to add."""

    id: str
    enhanced_call_privacy: NotRequired[bool]


class CandidateCreate(TypedDict):
    """`RTCIceCandidate.toJSON()` of a browser; the request adds the party that sent it."""

    candidate: str
    sdpMid: NotRequired[str | None]
    sdpMLineIndex: NotRequired[int | None]
    usernameFragment: NotRequired[str | None]


class Relationship(TypedDict, total=False):
    """What connects caller and callee."""

    callee_follows_caller: bool
    in_callee_address_book: bool
    caller_verified: bool
    message_request: MessageRequest
    blocked: bool


class CalleeSettings(TypedDict, total=False):
    """Whose calls the callee takes."""

    calling: bool
    allow: list[PermissionSwitch]


class IceServer(TypedDict):
    """`RTCIceServer` of the W3C."""

    urls: list[str]
    username: str
    credential: str


class RtcConfiguration(TypedDict):
    """`RTCConfiguration` of the W3C: for `new RTCPeerConnection(…)` as it is."""

    iceServers: list[IceServer]
    iceTransportPolicy: Literal["relay", "all"]


class PartyCreated(TypedDict):
    """What one party is given, and nobody else."""

    leg: str
    rtc_configuration: RtcConfiguration


class MediaServerCreated(TypedDict):
    """A media server of a call: it needs no credential."""

    leg: str


class EndpointPublic(TypedDict):
    """A party's relayed port."""

    address: str
    port: int
    ice: NotRequired[IceCredentials]


class PortPartyCreated(TypedDict):
    """What one party in ports mode is given, and nobody else."""

    leg: str
    endpoint: EndpointPublic


class EndpointUpdated(TypedDict):
    """A party's relayed port, after the relay was told where the party is."""

    endpoint: EndpointPublic


class Party(TypedDict):
    """One party of a call, with statistics."""

    leg: str
    connected: bool
    transport: Literal["udp", "tcp", "tls"] | None
    path: Literal["kernel", "user"] | None
    packets: int
    bytes: int
    dropped: int


class CallHead(TypedDict):
    """What every answer about a call begins with."""

    id: str
    state: CallState
    relayed: bool
    masked: list[str]
    expires_at: str


class CallCreated(CallHead):
    """A call that was created or changed; each party but media servers has a TURN credential."""

    parties: dict[str, PartyCreated]


class PortCallCreated(CallHead):
    """A call that was created in ports mode; each party has a relayed port."""

    parties: dict[str, PortPartyCreated]


class Call(CallHead):
    """A call as it stands."""

    parties: dict[str, Party]


class CallList(TypedDict):
    """Some of the calls that ring or are active, and where the next ones begin."""

    calls: list[Call]
    next: int | None


class IceCandidateInit(TypedDict):
    """`RTCIceCandidateInit` of the W3C: for `addIceCandidate` as it is."""

    candidate: str
    sdpMid: str | None
    sdpMLineIndex: int | None


class CallAccepted(Call):
    """A call that was accepted, and what the relay kept of each party until then."""

    candidates: dict[str, list[IceCandidateInit]]
    descriptions: dict[str, str]


class Removed(TypedDict):
    """What the relay took out or replaced by a constant, and how often."""

    kind: str
    count: int


class Description(TypedDict):
    """A rebuilt session description."""

    sdp: str
    held: int
    removed: list[Removed]


class Candidate(TypedDict):
    """A rebuilt candidate; `candidate` is None where nothing is to be passed on now."""

    candidate: str | None
    sdpMid: str | None
    sdpMLineIndex: int | None
    held: bool
    removed: list[Removed]


class Permission(TypedDict):
    """Whether the caller may call; the reason is for the callee's side only."""

    allowed: bool
    reason: PermissionReason


class Status(TypedDict):
    """The state of the relay."""

    version: str
    ready: bool
    draining: bool
    uptime_s: float
    calls: dict[CallState, int]
    allocations: int
    fastpath: str
