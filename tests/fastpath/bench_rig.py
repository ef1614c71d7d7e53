"""The program on its bench: run by hand over one packet at a time, with a clock that stands still.

BPF_PROG_TEST_RUN gives the program an skb as a network card would have delivered it, and says what
it decided. Nothing is sent.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from relay.address import ServerAddress
from relay.errors import DropReason
from relay.forward.fastpath import layout, libbpf
from relay.forward.fastpath.legs import Legs
from relay.forward.fastpath.program import Program
from relay.forward.fastpath.table import RouteTable
from relay.forward.routes import BURST_NS, Meter
from relay.turn.effects import LegKey, SetLeg
from tests.fastpath.frames import End

NOW_NS = 1_000_000_000_000
LEG = LegKey("call", "leg")
UP, DROP, OUT = -1, 2, 7  # TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT
_CONFIG = layout.CONFIG


class _Options(ctypes.Structure):
    """`struct bpf_test_run_opts` of libbpf."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("data_in", ctypes.c_char_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_int32),
        ("repeat", ctypes.c_int),
        ("duration_ns", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    )


class Context(ctypes.Structure):
    """`struct __sk_buff`."""

    _fields_ = (
        ("len", ctypes.c_uint32),
        ("pkt_type", ctypes.c_uint32),
        ("mark", ctypes.c_uint32),
        ("queue_mapping", ctypes.c_uint32),
        ("protocol", ctypes.c_uint32),
        ("vlan_present", ctypes.c_uint32),
        ("vlan_tci", ctypes.c_uint32),
        ("vlan_proto", ctypes.c_uint32),
        ("priority", ctypes.c_uint32),
        ("ingress_ifindex", ctypes.c_uint32),
        ("ifindex", ctypes.c_uint32),
        ("not_settable", ctypes.c_uint32 * 25),
        ("flow_keys", ctypes.c_uint64),
        ("tstamp", ctypes.c_uint64),
        ("wire_len", ctypes.c_uint32),
        ("gso_segs", ctypes.c_uint32),
        ("sk", ctypes.c_uint64),
        ("gso_size", ctypes.c_uint32),
        ("tstamp_type", ctypes.c_uint32),
        ("hwtstamp", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Route:
    """One route as a test says it."""

    source: End
    server: End
    channel: int
    target: End
    target_server: End
    target_channel: int
    expires_ns: int = NOW_NS + 1
    mtu: int = 1500
    ifindex: int = 1
    leg: int = 0

    def body(self) -> bytes:
        """`struct route` from its key on."""
        key = layout.ROUTE_KEY.pack(
            layout.mapped(self.source.packed),
            layout.mapped(self.server.packed),
            self.source.port.to_bytes(2),
            self.server.port.to_bytes(2),
            self.channel.to_bytes(2),
            0,
        )
        whole = layout.ROUTE.pack(
            0,
            key,
            layout.mapped(self.target.packed),
            layout.mapped(self.target_server.packed),
            self.target.port.to_bytes(2),
            self.target_server.port.to_bytes(2),
            self.target_channel.to_bytes(2),
            self.mtu,
            self.ifindex,
            self.leg,
        )
        return whole[layout.ROUTE.offsets["key"] :]


@dataclass(frozen=True)
class Outcome:
    """What the program decided, what it made of the packet, and how long it took on average."""

    verdict: int
    frame: bytes
    mark: int
    duration_ns: int


class Bench:
    """A loaded program with maps of its own."""

    def __init__(self) -> None:
        listener = ServerAddress(bytes([192, 0, 2, 1]), 3478)
        self.program = Program([listener], [], clock_is_config=True)
        self.config = self.program.array("config")
        self.config.words[_CONFIG.word("burst_ns")] = BURST_NS
        self.slots = self.program.array("slots")
        self.hashed = self.program.routes()
        self.table = RouteTable(self.program.routes(), self.program.array("slots"), NOW_NS)
        self.legs = self.program.array("legs")
        self.known = Legs(self.program.array("legs"), frozenset())
        self.listeners = self.program.listeners()
        self.totals = self.program.counters("totals")
        self.dropped = self.program.counters("drops")
        self.set_clock(NOW_NS)
        self.set_lease(NOW_NS + 1)
        self.known.set(SetLeg(LEG, 8_000_000_000, 1_000_000_000), NOW_NS)

    def set_clock(self, now_ns: int) -> None:
        """What time it is for the program."""
        self.config.words[_CONFIG.word("clock_ns")] = now_ns

    def set_lease(self, until_ns: int) -> None:
        """When everything goes up."""
        self.config.words[_CONFIG.word("lease_until_ns")] = until_ns

    def set_meter(self, meter: Meter) -> None:
        """Let the leg's caps stand as this meter's."""
        for field in ("ns_per_kib", "ns_per_packet", "byte_due_ns", "packet_due_ns"):
            self.legs.words[layout.LEG.word(field)] = getattr(meter, field)
        for field in ("packets", "bytes", "dropped"):
            self.legs.words[layout.LEG.word(field)] = getattr(meter, field)

    def meter(self) -> dict[str, int]:
        """How the leg's caps and counts stand."""
        return {
            field: self.legs.words[layout.LEG.word(field)]
            for field in layout.LEG.offsets
            if field != "digest"
        }

    def drops(self) -> dict[DropReason, int]:
        """What the program has dropped so far, and why."""
        counts = {reason: self.dropped.sums(reason)[0] for reason in DropReason}
        return {reason: count for reason, count in counts.items() if count}

    def forwarded(self) -> tuple[int, int]:
        """Packets and bytes the program has forwarded so far."""
        packets, payload = self.totals.sums()
        return packets, payload

    @contextmanager
    def routes(self, *routes: Route) -> Iterator[None]:
        """Have these routes for the length of a `with` block."""
        for route in routes:
            body = route.body()
            assert self.table.set(body, route.expires_ns, route.leg, NOW_NS)
        try:
            yield
        finally:
            for route in routes:
                self.table.drop(route.body()[: layout.ROUTE_KEY.size], NOW_NS)

    def run(self, frame: bytes, context: Context | None = None, repeat: int = 1) -> Outcome:
        """Give the program one packet, `repeat` times."""
        context = context or Context()
        made = ctypes.create_string_buffer(len(frame) + 64)
        after = Context()
        options = _Options(
            size=ctypes.sizeof(_Options),
            data_in=frame,
            data_size_in=len(frame),
            data_out=ctypes.addressof(made),
            data_size_out=len(made),
            ctx_in=ctypes.addressof(context),
            ctx_size_in=ctypes.sizeof(context),
            ctx_out=ctypes.addressof(after),
            ctx_size_out=ctypes.sizeof(after),
            repeat=repeat,
        )
        libbpf.call("bpf_prog_test_run_opts", self.program.fd, ctypes.byref(options))
        out = made.raw[: options.data_size_out]
        return Outcome(options.retval, out, after.mark, options.duration_ns)

    def close(self) -> None:
        """Give everything back."""
        for thing in (self.config, self.slots, self.hashed, self.table, self.legs, self.known):
            thing.close()
        self.listeners.close()
        self.totals.close()
        self.dropped.close()
        self.program.close()
