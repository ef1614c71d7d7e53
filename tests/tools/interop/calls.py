"""The calls of a cell: two parties of a client, a client with a media server, coturn's client."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from relay.address import IPV4, IPV6
from tests.interop import janus
from tests.kit import wire
from tests.kit.api import Json
from tests.kit.daemon import place_of
from tests.kit.namespaces import Namespace
from tests.kit.polling import wait_until
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential, credential_of
from tests.kit.wire import Attribute
from tests.lab.relay import Relay
from tests.lab.topology import RELAY, SINK
from tests.tools.interop.cells import TRANSPORTS, UCLIENT, Cell
from tests.tools.interop.clients import OPEN, Client, uclient
from tests.tools.interop.stage import NAMES, Stage, credential, urls_of

ENOUGH = {"messages": 25, "audio": 25, "video": 5}
"""Of each kind that a client sends, so much has to have come to either side."""
DEADLINE_S = 45


_NAT = """
  turn_server = "{place.host}"
  turn_port = {place.port}
  turn_type = "{transport}"
  turn_user = "{login.username}"
  turn_pwd = "{login.password}"
  allow_force_relay = true
"""
"""Where Janus is told to allocate."""


class Told(NamedTuple):
    """A description, or whatever else a party was given of the other's."""

    author: str
    text: str


class Scene:
    """One call at one relay, and what each party was told in it."""

    def __init__(self, stage: Stage, cell: Cell, relay: Relay, directory: Path) -> None:
        self.stage = stage
        self.cell = cell
        self.relay = relay
        self.directory = directory
        self.told: list[Told] = []
        self.crossed: dict[str, int] = {}
        self.allocations = self.elsewhere = 0
        self._before = _allocations(relay)
        self._call: Json = {}

    def run(self) -> None:
        """Place the call, until enough has crossed. Raises: whatever goes wrong."""
        if self.cell.peers == "call":
            self._call = self.relay.create_call()
        try:
            if self.cell.client == UCLIENT:
                self._send_to_echo()
            elif self.cell.peers == "listed":
                self._call_server()
            else:
                self._call_each_other()
        finally:
            if self._call:
                self.relay.end_call(self._call)

    def _call_each_other(self) -> None:
        with ExitStack() as stack:
            caller = self._open(stack, "caller")
            caller.ask("open", configuration=self._configuration("caller"))
            if self.cell.client == "janus":
                answer = self._janus(stack, self.stage.lab.callee, self._nat())
                self._talk(answer, caller)
                return
            callee = self._open(stack, "callee")
            callee.ask("open", configuration=self._configuration("callee"))
            self._talk(lambda offer: callee.ask("answer", sdp=offer)["sdp"], caller, callee)

    def _call_server(self) -> None:
        """The server has no credential: it is found at its own address, and sees the relay's."""
        with ExitStack() as stack:
            caller = self._open(stack, "caller")
            caller.ask("open", configuration=self._configuration("caller"))
            self._talk(self._janus(stack, self.stage.lab.sink, ""), caller)

    def _open(self, stack: ExitStack, party: str) -> Client:
        where = {"caller": self.stage.lab.caller, "callee": self.stage.lab.callee}[party]
        client = OPEN[self.cell.client](self.stage, where)
        stack.callback(client.end)
        return client

    def _configuration(self, party: str) -> Json:
        """As the relay tells it."""
        username, password = self._credential(party)
        server = {"urls": self._urls(party), "username": username, "credential": password}
        return {"iceServers": [server], "iceTransportPolicy": "relay"}

    def _urls(self, party: str) -> list[str]:
        urls = urls_of(self.relay, self.cell, party)
        assert urls, "the relay tells no URL for this party"
        return urls

    def _credential(self, party: str) -> Credential:
        return credential_of(self._call, party) if self._call else credential(party)

    def _talk(self, answer: Callable[[str], str], caller: Client, *others: Client) -> None:
        """Offer and answer, each as the other side gets it; then until enough has crossed."""
        try:
            offer = self._passed_on("caller", caller.ask("offer")["sdp"])
            caller.ask("take_answer", sdp=self._passed_on("callee", answer(offer)))
            self._until_crossed(caller, *others)
        finally:
            self._count_allocations()

    def _passed_on(self, author: str, sdp: str) -> str:
        if self._call:
            sdp = self.relay.rebuild(self._call, author, sdp)["sdp"]
        self.told.append(Told(author, sdp))
        return sdp

    def _janus(self, stack: ExitStack, where: Namespace, nat: str) -> Callable[[str], str]:
        home = self.directory / "janus"
        home.mkdir()
        stack.enter_context(janus.running(self.relay, nat, home, where, self.stage.named))
        handle = janus.Handle(self.relay, where=where)
        return lambda offer: handle.answer(offer, **({"force_relay": True} if nat else {}))

    def _nat(self) -> str:
        place = place_of(self._urls("callee")[0])
        login = self._credential("callee")
        return _NAT.format(place=place, transport=self.cell.transport, login=login)

    def _until_crossed(self, *clients: Client) -> None:
        """Each side has got enough of everything that it gets at all."""
        states: list[dict[str, Any]] = []

        def is_enough() -> bool:
            states[:] = [client.ask("state") for client in clients]
            for state in states:
                if state["connection"] in ("failed", "closed"):
                    raise RuntimeError(f"the connection has {state['connection']}")
            return all(_is_enough(state["frames"]) for state in states)

        try:
            wait_until(is_enough, "media and messages arrive", DEADLINE_S)
        except TimeoutError as late:
            raise RuntimeError(f"{late}: {states}") from late
        self.crossed = states[0]["frames"]

    def _count_allocations(self) -> None:
        """Those that this call has added, here and over other transports."""
        now = _allocations(self.relay)
        added = {name: max(count - self._before[name], 0) for name, count in now.items()}
        self.allocations = added.pop(self.cell.transport)
        self.elsewhere = sum(added.values())

    def _send_to_echo(self) -> None:
        with self._echo() as echo, echo.running():
            login = self._credential("caller")
            count = uclient.run(
                self.stage, self._urls("caller")[0], login, echo, self._count_allocations
            )
        self.crossed = {"messages": count}
        if count < ENOUGH["messages"]:
            raise RuntimeError(f"{count} messages came back")

    @contextmanager
    def _echo(self) -> Iterator[uclient.Echo]:
        is_v6 = self.cell.family == "IPv6"  # of relayed addresses
        if self.cell.peers == "listed":
            family, host = (socket.AF_INET6, SINK.v6) if is_v6 else (socket.AF_INET, SINK.v4)
            with self.stage.lab.sink.socket(family, socket.SOCK_DGRAM) as sock:
                sock.bind((host, 0))
                yield uclient.server(sock)
            return
        asked = wire.requested_family(IPV6 if is_v6 else IPV4)
        with self._callee() as client, self._callee() as at_next_port:
            allocated = client.allocate(asked, wire.even_port(reserve=True))
            token = allocated.value(Attribute.RESERVATION_TOKEN)
            assert at_next_port.allocate((int(Attribute.RESERVATION_TOKEN), token)).code == 0
            yield uclient.behind(client)

    def _callee(self) -> TurnClient:
        """The tests' own."""
        place = place_of(self._urls("callee")[0])
        family = self.cell.family_of("callee")
        is_v6 = family == "IPv6"
        where = self.stage.lab.callee
        sock = where.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, place.kind)
        sock.connect((RELAY.v6 if is_v6 else RELAY.v4, place.port))
        if place.scheme == "turns":
            context = ssl.create_default_context(cafile=str(self.stage.authority))
            sock = context.wrap_socket(sock, server_hostname=NAMES[family])
        return TurnClient(sock, *self._credential("callee"))


def _allocations(relay: Relay) -> dict[str, int]:
    """How many there are now, by transport."""
    now = relay.metrics()
    return {name: int(now[f'callveil_allocations{{transport="{name}"}}']) for name in TRANSPORTS}


def _is_enough(frames: dict[str, int]) -> bool:
    return bool(frames) and all(count >= ENOUGH[kind] for kind, count in frames.items())
