"""coturn's own client: what it sends to a peer has to come back, in channels and in indications.

It binds a channel to the port after its peer's too, and ends if that is refused.
"""

import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from relay.address import PeerAddress
from tests.kit import wire
from tests.kit.daemon import place_of
from tests.kit.polling import wait_until
from tests.kit.program import Program
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential
from tests.kit.wire import Attribute
from tests.tools.interop.stage import Stage

_MESSAGES = 50
_COUNTED = re.compile(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\s")
_RELAYED = re.compile(r"Received relay addr: \[?([0-9a-f.:]+?)\]?:(\d+)\s")
_WAYS = {"channels": [], "indications": ["-s"]}
_DEADLINE_S = 60

Peer = tuple[str, int]


class Echo:
    """Says back whatever comes, in a thread, for one `with` block.

    Args:
        at: where it is found.
        answer: answers once, if something is there within a moment.
    """

    def __init__(self, at: Peer, answer: Callable[[], None]) -> None:
        self.at = at
        self.permit: deque[PeerAddress] = deque()
        self._answer = answer
        self._is_over = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Echo"]:
        """Until the block ends."""
        thread = threading.Thread(target=self._repeat)
        thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            thread.join()

    def _repeat(self) -> None:
        while not self._is_over.is_set():
            self._answer()


def behind(client: TurnClient) -> Echo:
    """A party, found at its relayed address, which permits whomever it is told."""

    def answer() -> None:
        while echo.permit:
            client.permit(echo.permit.popleft())
        frame = client.receive(0.1)
        if frame is not None:
            indication = wire.parse(frame)
            source = PeerAddress(*indication.address(Attribute.XOR_PEER_ADDRESS))
            client.send(source, indication.value(Attribute.DATA))

    echo = Echo(client.relayed.reveal(), answer)
    return echo


def server(sock: socket.socket) -> Echo:
    """A media server, found at an address of its own."""
    sock.settimeout(0.1)

    def answer() -> None:
        with suppress(TimeoutError):
            data, source = sock.recvfrom(2048)
            sock.sendto(data, source)

    return Echo(sock.getsockname()[:2], answer)


def run(
    stage: Stage, url: str, credential: Credential, echo: Echo, on_relayed: Callable[[], None]
) -> int:
    """Send to an echo, both ways at once. Returns: of either way the fewer that came back.

    Args:
        on_relayed: called each time that it has allocated.
    Raises: RuntimeError with its own words, if it does not come to its end.
    """
    with ExitStack() as stack:
        programs = [
            stack.enter_context(_program(stage, url, credential, echo, way)) for way in _WAYS
        ]
        told: set[Peer] = set()

        def are_over() -> bool:
            is_running = any(program.is_running for program in programs)
            said = "".join(program.log_text() for program in programs)
            for host, port in {*_RELAYED.findall(said)} - told:
                told.add((host, port))
                on_relayed()
                echo.permit.append(PeerAddress.parse(host, int(port)))
            return not is_running

        wait_until(are_over, "coturn's client ends", _DEADLINE_S)
        return min(_came_back(program.log_text()) for program in programs)


def _program(stage: Stage, url: str, credential: Credential, echo: Echo, way: str) -> Program:
    place = place_of(url)
    load = ["-v", "-c", "-m", "1", "-n", str(_MESSAGES), "-l", "171", "-z", "10", *_WAYS[way]]
    login = ["-u", credential.username, "-w", credential.password]
    secure = ["-S", "-E", str(stage.authority)] if place.scheme == "turns" else []
    stream = ["-t"] if place.kind == socket.SOCK_STREAM else []
    # RFC 8656 section 7.2: the family of an allocation is IPv4 unless another is asked for.
    family = ["-x"] if ":" in echo.at[0] else []
    at = ["-e", echo.at[0], "-r", str(echo.at[1]), "-p", str(place.port), place.host]
    # What it writes into a file would come at its end otherwise.
    line_by_line = ["stdbuf", "-oL", "turnutils_uclient"]
    command = [*line_by_line, *load, *login, *stream, *secure, *family, *at]
    log = stage.directory / f"uclient-{way}.log"
    return stage.lab.program(stage.lab.caller, stage.named(command), log)


def _came_back(told: str) -> int:
    counted = _COUNTED.findall(told)
    if not counted:
        raise RuntimeError(told.strip().rpartition("\n")[2] or "it said nothing")
    return int(counted[-1][1])
