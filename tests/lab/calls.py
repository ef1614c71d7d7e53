"""Calls in the laboratory: two legs of one call as TURN clients, and a steady flow between them."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from relay.address import IPV4
from tests.kit import turn, wire
from tests.kit.daemon import SECRET
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S, wait_until
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential, credential_of
from tests.lab.relay import TLS_PORT, UDP_PORT, Relay
from tests.lab.topology import RELAY

CALLER_CHANNEL, CALLEE_CHANNEL = 0x4321, 0x4ABC


def mint(call: str, leg: str, *, expires_in_s: int = 3600) -> Credential:
    """A credential that no API made, with the laboratory's secret."""
    return turn.mint(SECRET, call, leg, expires_in_s=expires_in_s)


class Access(NamedTuple):
    """How a leg reaches the relay: udp, tcp or tls, to which of its addresses."""

    transport: str = "udp"
    host: str = RELAY.v4


UDP, TCP, TLS = Access(), Access("tcp"), Access("tls")


def connect(relay: Relay, where: Namespace, how: Access, credential: Credential) -> TurnClient:
    """A client in a namespace."""
    family = socket.AF_INET6 if ":" in how.host else socket.AF_INET
    is_stream = how.transport != "udp"
    sock = where.socket(family, socket.SOCK_STREAM if is_stream else socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE_S if is_stream else None)
    sock.connect((how.host, TLS_PORT if how.transport == "tls" else UDP_PORT))
    if how.transport == "tls":
        context = relay.certificate.trusting_context()
        sock = context.wrap_socket(sock, server_hostname=how.host)
    return TurnClient(sock, *credential)


@dataclass(frozen=True, slots=True)
class Legs:
    """A call whose two legs are allocated."""

    id: str
    caller: TurnClient
    callee: TurnClient

    def bind(self) -> None:
        """Bind a channel from each leg to the other."""
        assert self.caller.bind(CALLER_CHANNEL, self.callee.relayed) == 0
        assert self.callee.bind(CALLEE_CHANNEL, self.caller.relayed) == 0

    def say(self, data: bytes) -> None:
        """From the caller on its channel."""
        self.caller.send_on(CALLER_CHANNEL, data)

    def reply(self, data: bytes) -> None:
        """From the callee on its channel."""
        self.callee.send_on(CALLEE_CHANNEL, data)


@contextmanager
def legs(
    relay: Relay,
    *,
    ring: bool = False,
    caller: Access = UDP,
    callee: Access = UDP,
    family: int = IPV4,
    **more: object,
) -> Iterator[Legs]:
    """A call made through the API, both legs allocated in their namespaces, ended afterwards.

    Args:
        family: of the relayed addresses.
        more: of the body of `POST /v1/calls`.
    """
    call = relay.create_call(ring=ring, **more)
    with ExitStack() as stack:
        stack.callback(relay.ask, "DELETE", f"/v1/calls/{call['id']}")
        clients = []
        for party, where, how in (
            ("caller", relay.lab.caller, caller),
            ("callee", relay.lab.callee, callee),
        ):
            client = stack.enter_context(connect(relay, where, how, credential_of(call, party)))
            assert client.allocate(wire.requested_family(family)).code == 0
            clients.append(client)
        yield Legs(call["id"], *clients)


class Flow:
    """Numbered packets both ways at a steady pace, and which of them arrived when.

    `arrived` has a packet's monotonic time of arrival by its number, for each party; `sent_at` when
    the packet of that number was sent to both.
    """

    def __init__(self, call: Legs, per_s: int, settle_s: float) -> None:
        self._call = call
        self._settle_s = settle_s
        self._interval_s = 1 / per_s
        self._stop = threading.Event()
        self._done = threading.Event()
        self.sent = 0
        self.sent_at: list[float] = []
        self.arrived: dict[str, dict[int, float]] = {"caller": {}, "callee": {}}
        self._threads = [
            threading.Thread(target=self._send),
            threading.Thread(target=self._receive, args=("caller", call.caller)),
            threading.Thread(target=self._receive, args=("callee", call.callee)),
        ]

    def start(self) -> None:
        """Flow from now on."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more, and wait a while for what is still on its way."""
        self._stop.set()
        self._threads[0].join()
        try:
            wait_until(lambda: not self.lost(), "the last packets arrive", self._settle_s)
        except TimeoutError:
            pass  # they are lost: it is for the test to say so
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join()

    def lost(self) -> int:
        """How many have not arrived, both ways together."""
        sent = range(self.sent)  # a third party may have been heard as well
        return sum(number not in arrived for arrived in self.arrived.values() for number in sent)

    def delays_s(self) -> list[float]:
        """How long each that arrived was on its way."""
        arrivals = (arrived.items() for arrived in self.arrived.values())
        return [at - self.sent_at[number] for each in arrivals for number, at in each]

    def _send(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            number = struct.pack("!Q", self.sent).ljust(160, b"\xa5")
            self.sent_at.append(time.monotonic())
            self._call.say(number)
            self._call.reply(number)
            self.sent += 1
            due += self._interval_s
            self._stop.wait(max(due - time.monotonic(), 0))

    def _receive(self, party: str, client: TurnClient) -> None:
        while not self._done.is_set():
            frame = client.receive(0.1)
            if frame is not None and len(frame) >= 12:
                number = int(struct.unpack_from("!Q", frame, 4)[0])
                self.arrived[party][number] = time.monotonic()


@contextmanager
def flowing(call: Legs, per_s: int = 200, settle_s: float = PATIENCE_S) -> Iterator[Flow]:
    """A steady flow for one `with` block; afterwards `lost` says what it lost.

    Args:
        settle_s: how long to wait at the end for what is still on its way.
    """
    flow = Flow(call, per_s, settle_s)
    flow.start()
    try:
        yield flow
    finally:
        flow.stop()
