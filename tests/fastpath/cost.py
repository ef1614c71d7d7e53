"""What the kernel program costs per packet, by the number of routes.

    python -m tests.fastpath.cost

Two figures each: one packet again and again, with everything it needs in the processor's cache; and
a walk that meets every route once before it meets one again, in no order, so that nothing is.
"""

import random
import sys
from dataclasses import replace

from relay.forward.fastpath import layout
from tests.fastpath.bench_rig import NOW_NS, OUT, Bench, Route
from tests.fastpath.cases import PAYLOAD, sent
from tests.fastpath.frames import End, frame

_SERVER4, _SERVER6 = End("192.0.2.1", 3478), End("2001:db8::1", 3478)
_CHANNEL = 0x4001
_PORTS = 50_000
_PACKETS = 2_000_000


def measure_same(bench: Bench, routes: int, packets: int) -> int:
    """Nanoseconds per packet of one route among so many."""
    clients = _clients(routes)
    with bench.routes(*map(_to_itself, clients)):
        return _run(bench, _to_itself(clients[0]), packets)


def measure_any(bench: Bench, routes: int, packets: int) -> int:
    """Nanoseconds per packet where each takes another of so many routes, of as many legs."""
    clients = _clients(routes)
    following = zip(clients, [*clients[1:], clients[0]], strict=True)
    around = [
        replace(_to_itself(client), target_server=other, leg=number)
        for number, (client, other) in enumerate(following)
    ]
    with bench.routes(*around):
        return _run(bench, around[0], packets)


def measure_translation(bench: Bench, packets: int) -> int:
    """Nanoseconds per packet that changes between IPv4 and IPv6."""
    four, six = End("198.51.100.7", 40_000), End("2001:db8:a::7", 40_000)
    there = Route(four, _SERVER4, _CHANNEL, _SERVER6, six, _CHANNEL)
    back = Route(six, _SERVER6, _CHANNEL, _SERVER4, four, _CHANNEL)
    with bench.routes(there, back):
        return _run(bench, there, packets)


def _to_itself(client: End) -> Route:
    """A route whose packets leave as they came, and so take it again."""
    return Route(client, _SERVER4, _CHANNEL, _SERVER4, client, _CHANNEL)


def _run(bench: Bench, first: Route, packets: int) -> int:
    # The clock stands still: a packet that cost time would be over its cap before long.
    for field in ("ns_per_kib", "ns_per_packet"):
        bench.legs.words[layout.LEG.word(field)] = 0
    bench.set_clock(NOW_NS)
    outcome = bench.run(frame(sent(first, PAYLOAD)), repeat=packets)
    assert outcome.verdict == OUT
    return outcome.duration_ns


def _clients(count: int) -> list[End]:
    clients = [End(f"10.{i // _PORTS}.0.1", 1024 + i % _PORTS) for i in range(count)]
    random.Random(count).shuffle(clients)
    return clients


def main() -> None:
    """Print both figures for 1, 1,000 and 100,000 routes."""
    sys.stdout.write("routes   same route   any route   (ns per packet)\n")
    for routes in (1, 1_000, 100_000):
        figures = []
        for measure in (measure_same, measure_any):
            bench = Bench()
            figures.append(measure(bench, routes, _PACKETS))
            bench.close()
        sys.stdout.write(f"{routes:>6} {figures[0]:>12} {figures[1]:>11}\n")
    bench = Bench()
    sys.stdout.write(f"between IPv4 and IPv6 {measure_translation(bench, _PACKETS)}\n")
    bench.close()


if __name__ == "__main__":
    main()
