"""A flood of datagrams from addresses that are not the sender's.

It is as fast as the daemon reads and never faster: a burst goes out when the daemon's queue is
short, so that nothing is lost to a full socket buffer, whatever the speed of the machine.
"""

import random
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address

from tests.kit.frames import End, Header, ipv4, udp
from tests.kit.polling import wait_until
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import RELAY, anywhere

_BURST = 128
_QUEUE_BYTES = 1 << 20  # of the daemon's receive buffer of several megabytes


def flood(relay: Relay, payloads: Sequence[bytes], count: int, rng: random.Random) -> None:
    """Send `count` datagrams to the daemon, each from another address and port.

    Returns: when the daemon has read all of them.
    """
    with relay.lab.sink.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(count):
            if number % _BURST == 0:
                wait_until(lambda: relay.queued_bytes() < _QUEUE_BYTES, "the daemon reads")
            port = rng.randrange(1024, 65536)
            packet = datagram(anywhere(rng), port, payloads[number % len(payloads)])
            raw.sendto(packet, (RELAY.v4, 0))
    wait_until(lambda: relay.queued_bytes() == 0, "the daemon has read everything")


def datagram(source: IPv4Address, port: int, payload: bytes) -> bytes:
    """One to the relay over UDP and IPv4, without UDP's checksum, for a raw socket."""
    ends = End(str(source), port), End(RELAY.v4, UDP_PORT)
    return ipv4(*ends, udp(*ends, payload, 0), Header())
