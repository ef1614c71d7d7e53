"""The table: which client, over which transport and family, with which `relay.peers`."""

from dataclasses import dataclass
from itertools import product

TRANSPORTS = ("udp", "tcp", "tls")
MIXED = "mixed"
"""The caller reaches the relay over IPv4, and the callee over IPv6."""
FAMILIES = ("IPv4", "IPv6", MIXED)
PEERS = ("call", "relay", "listed")

UCLIENT = "uclient"
OF_NPM = ("wrtc", "werift")
CLIENTS = ("chromium", "firefox", "aiortc", "webrtcbin", *OF_NPM, "janus", UCLIENT)


@dataclass(frozen=True, slots=True)
class Cell:
    """One call.

    With `call`, both parties have what `POST /v1/calls` gave to them, and their descriptions are
    rebuilt. With `relay`, each has a credential of its own, and descriptions pass as they are. With
    `listed`, one party has a credential, and the other is a media server without one.
    """

    client: str
    transport: str
    family: str
    peers: str

    @property
    def is_numeric(self) -> bool:
        """Whether URLs have addresses in them: with `relay` they do, otherwise names."""
        return self.peers == "relay"

    def family_of(self, party: str) -> str:
        """The family over which a party reaches the relay."""
        if self.family == MIXED:
            return "IPv4" if party == "caller" else "IPv6"
        return self.family

    @property
    def words(self) -> str:
        """For a person."""
        return f"{self.client} {self.transport} {self.family} {self.peers}"


def families(peers: str) -> tuple[str, ...]:
    """The families that are tried: two parties may differ, a media server has none."""
    return FAMILIES if peers == "call" else FAMILIES[:2]


def clients(peers: str) -> tuple[str, ...]:
    """The clients that are tried: with `listed`, Janus is the media server that the others call."""
    return tuple(client for client in CLIENTS if (client, peers) != ("janus", "listed"))


ALL = tuple(
    Cell(client, transport, family, peers)
    for peers in PEERS
    for family, transport, client in product(families(peers), TRANSPORTS, clients(peers))
)
"""Cells of one configuration of the relay stand together."""

_QUICK = (("call", "udp", "IPv4"), ("relay", "tcp", "IPv6"), ("listed", "tls", "IPv4"))
QUICK = tuple(
    cell
    for cell in ALL
    if cell.client not in OF_NPM
    and (cell.peers, cell.transport, cell.family) in _QUICK
    and (cell.client, cell.peers) != ("webrtcbin", "listed")
)
"""What `make test` runs: each transport, family and `peers` once, and nothing that is of npm. With
Janus webrtcbin sometimes never answers its DTLS: the whole matrix shows how often."""
