"""Parties without TURN in the laboratory, and calls between them through relayed ports.

The test plays the signaling server: it tells each party where its port is.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.lab.namespaces import Namespace
from tests.lab.polling import PATIENCE_S, wait_until
from tests.lab.relay import Config, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab
from tests.turn import wire

# Ports that none of this host's own sockets are given.
CONFIG: Config = {"relay": {"addresses": [RELAY.v4], "ports": "20000-20200"}}

RTP = b"\x80\x60" + bytes(10)
NAMES = ("caller", "callee")


def create(relay: Relay, *access: Config, **more: object) -> Config:
    """A ringing call in ports mode between `caller`, who asks for privacy, and `callee`."""
    parties = [{"id": name, **known} for name, known in zip(NAMES, access, strict=True)]
    parties[0]["enhanced_call_privacy"] = True
    answer = relay.ask("POST", "/v1/calls", {"parties": parties, "mode": "ports", **more})
    assert answer.status == 201, answer
    body: Config = answer.body
    return body


def accept(relay: Relay, call: Config) -> None:
    """The callee takes the call."""
    assert relay.ask("POST", f"/v1/calls/{call['id']}/accept").status == 200


def statistics(relay: Relay, call: Config) -> Config:
    """Of each party."""
    body: Config = relay.ask("GET", f"/v1/calls/{call['id']}").body
    parties: Config = body["parties"]
    return parties


def dropped(relay: Relay, call: Config) -> list[int]:
    """What was dropped of each party's."""
    return [party["dropped"] for party in statistics(relay, call).values()]


def assert_path(relay: Relay, call: Config) -> None:
    """Both directions are forwarded by the path that this relay is about."""
    paths = [party["path"] for party in statistics(relay, call).values()]
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

    def _socket(self) -> socket.socket:
        sock = self._where.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", 0))
        sock.settimeout(PATIENCE_S)
        return sock

    @property
    def ice(self) -> Config:
        """What its description says of ICE."""
        return {"ufrag": self.ufrag, "pwd": "aPasswordOfItsOwn00000" + self.ufrag}

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
        """Send one packet to the relay's port."""
        self.sock.sendto(RTP + data, self.at)

    def hear(self) -> tuple[bytes, tuple[str, int]]:
        """The next packet, and where it came from."""
        data, source = self.sock.recvfrom(2048)
        return data[len(RTP) :], source

    def check(self) -> None:
        """Send an ICE check, and hear the answer before anything else."""
        own = self.endpoint["ice"]
        name = (int(Attribute.USERNAME), f"{own['ufrag']}:{self.ufrag}".encode())
        key = own["pwd"].encode()
        check = wire.build(Method.BINDING, Class.REQUEST, os.urandom(12), [name], key=key)
        self.sock.sendto(check, self.at)
        answer, source = self.sock.recvfrom(2048)
        assert (wire.parse(answer).code, source) == (0, self.at)


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
    before = relay.drops("ringing")
    for name, phone in zip(NAMES, (caller, callee), strict=True):
        phone.endpoint = call["parties"][name]["endpoint"]
        assert ("ice" in phone.endpoint) == bool(phone.ufrag)
        if phone.ufrag:
            phone.check()
        phone.say(b"too early")
    wait_until(lambda: relay.drops("ringing") == before + 2, "both are heard, and dropped")
    if not ring:
        accept(relay, call)
    yield call
    relay.ask("DELETE", f"/v1/calls/{call['id']}")


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
