"""Parties without TURN in the laboratory, and calls between them through relayed ports.

The test plays the signaling server: it tells each party where its port is.
"""

import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.kit.daemon import Config
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S
from tests.lab.relay import Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

# Ports that none of this host's own sockets are given.
CONFIG: Config = {
    "relay": {"addresses": [RELAY.v4], "ports": "20000-20200"},
    "ports": {"allow_private": ["198.18.0.0/15", "192.0.2.0/24", "2001:db8::/32"]},
}

RTP = b"\x80\x60" + bytes(10)
NAMES = ("caller", "callee")

_TIMEOUT_S = 20
_STUN_END = 4  # first bytes below it are STUN's: RFC 7983 section 7


def create(relay: Relay, *access: Config, **more: object) -> Config:
    """A ringing call in ports mode between `caller`, who asks for privacy, and `callee`."""
    parties = [{"id": name, **known} for name, known in zip(NAMES, access, strict=True)]
    parties[0]["enhanced_call_privacy"] = True
    answer = relay.ask("POST", "/v1/calls", {"parties": parties, "mode": "ports", **more})
    assert answer.status == 201, answer
    body: Config = answer.body
    return body


def dropped(relay: Relay, call: Config) -> list[int]:
    """What was dropped of each party's."""
    return [party["dropped"] for party in relay.statistics(call).values()]


def assert_path(relay: Relay, call: Config) -> None:
    """Both directions are forwarded by the path that this relay is about."""
    paths = [party["path"] for party in relay.statistics(call).values()]
    assert paths == [relay.path] * len(NAMES)


class Phone:
    """An endpoint that sends RTP to the address in the description it was given.

    Args:
        ufrag: it does ICE under this name; empty: it is declared.
    """

    def __init__(self, where: Namespace, public: str, ufrag: str = "") -> None:
        self._where = where
        self.ufrag = ufrag
        self.sock = self._socket()
        # The router keeps the port, as it is the only one that wants it.
        declared = {"address": {"address": public, "port": self.sock.getsockname()[1]}}
        self.access = {"ice": self.ice} if ufrag else declared
        self.endpoint: Config = {}
        self._heard: deque[tuple[bytes, tuple[str, int]]] = deque()

    def _socket(self) -> socket.socket:
        sock = self._where.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", 0))
        sock.settimeout(PATIENCE_S)
        return sock

    @property
    def ice(self) -> Config:
        """What its description says of ICE."""
        return {"ufrag": self.ufrag, "pwd": _pwd(self.ufrag)}

    @property
    def at(self) -> tuple[str, int]:
        """Its port at the relay."""
        return self.endpoint["address"], self.endpoint["port"]

    def move(self) -> socket.socket:
        """Go on from another socket, as after a change of network. Returns: the one before."""
        before, self.sock = self.sock, self._socket()
        return before

    def hang_up(self) -> None:
        """Be there no longer."""
        self.sock.close()

    def say(self, data: bytes) -> None:
        """Send one packet to the relay's port, and answer its checks that have come meanwhile."""
        self.sock.sendto(RTP + data, self.at)
        if self.ufrag:
            self.sock.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    self._heard.append(self._next(self.sock))
            self.sock.settimeout(_TIMEOUT_S)

    def hear(self, sock: socket.socket | None = None) -> tuple[bytes, tuple[str, int]]:
        """The next packet of the other party, and where it came from.

        Args:
            sock: the one before a move.
        """
        while True:
            is_kept = sock is None and self._heard
            data, source = self._heard.popleft() if is_kept else self._next(sock or self.sock)
            if data[0] >= _STUN_END:
                return data[len(RTP) :], source

    def check(self) -> None:
        """Send an ICE check, and hear the answer, and the relay's own check before it."""
        self.sock.sendto(self.right_check(), self.at)
        while True:
            data, source = self._next(self.sock)
            if data[0] < _STUN_END:
                assert (wire.parse(data).code, source) == (0, self.at)
                return
            self._heard.append((data, source))

    def right_check(self) -> bytes:
        """A check as it may come from this party, with a nomination."""
        own = self.endpoint["ice"]
        body = [
            (int(Attribute.USERNAME), f"{own['ufrag']}:{self.ufrag}".encode()),
            (int(Attribute.USE_CANDIDATE), b""),
        ]
        key = own["pwd"].encode()
        return wire.build(Method.BINDING, Class.REQUEST, os.urandom(12), body, key=key)

    def _next(self, sock: socket.socket) -> tuple[bytes, tuple[str, int]]:
        """What comes next and is no check of the relay's; checks are answered."""
        while True:
            data, source = sock.recvfrom(2048)
            if data[0] >= _STUN_END:
                return data, source
            stun = wire.parse(data)
            if stun.cls != Class.REQUEST:
                return data, source
            asked_as = stun.value(Attribute.USERNAME).decode().partition(":")[0]
            key = _pwd(asked_as).encode()
            assert stun.is_signed_with(key)
            answer = wire.build(Method.BINDING, Class.SUCCESS, stun.transaction_id, [], key=key)
            sock.sendto(answer, source)


def _pwd(ufrag: str) -> str:
    """Of a party that calls itself so."""
    return "aPasswordOfItsOwn00000" + ufrag


def meet(caller: Phone, callee: Phone, word: bytes = b"hello") -> None:
    """What each says is the next that the other hears."""
    for one, other in ((caller, callee), (callee, caller)):
        one.say(word)
        assert other.hear() == (word, other.at)


@contextmanager
def placed(
    relay: Relay, caller: Phone, callee: Phone, *, ring: bool = False, **more: object
) -> Iterator[Config]:
    """A call between two phones; their routers let the relay's packets in.

    Those at declared addresses send once while it rings: a router that is sent something first
    gives its party another port than the declared one. Those with ICE send checks.
    """
    call = create(relay, caller.access, callee.access, **more)
    with relay.dropping("ringing", count=2):
        for name, phone in zip(NAMES, (caller, callee), strict=True):
            phone.endpoint = call["parties"][name]["endpoint"]
            assert ("ice" in phone.endpoint) == bool(phone.ufrag)
            if phone.ufrag:
                phone.check()
            phone.say(b"too early")
    if not ring:
        relay.accept_call(call)
    yield call
    relay.ask("DELETE", f"/v1/calls/{call['id']}")  # unknown to one that was started again


@contextmanager
def phones(
    lab: Lab, relay: Relay, *, ice: bool = False, ring: bool = False, **more: object
) -> Iterator[tuple[Config, Phone, Phone]]:
    """A call between two phones of their own."""
    caller = Phone(lab.caller, CALLER.public.v4, "caller" if ice else "")
    callee = Phone(lab.callee, CALLEE.public.v4, "callee" if ice else "")
    with ExitStack() as stack:
        for phone in (caller, callee):
            stack.callback(phone.hang_up)
        call = stack.enter_context(placed(relay, caller, callee, ring=ring, **more))
        yield call, caller, callee
