"""The kernel program on a bench: loaded with maps of its own, and run by hand over one packet.

BPF_PROG_TEST_RUN gives the program an skb as a network card would have delivered it, and says what
it decided and how long that took. Nothing is sent. The tests of the program use it too.
"""

import ctypes
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from relay.address import ServerAddress
from relay.effects import Via
from relay.forward.kernel import layout, libbpf
from relay.forward.kernel.program import Program
from relay.forward.kernel.table import RouteTable
from relay.forward.meter import BURST_NS

UP, DROP, OUT = -1, 2, 7  # TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT
_GROWTH = 128  # bytes, at most: an IPv6 header for an IPv4 one, an indication for a channel
SUMMED_UP = 4
"""BPF_F_TEST_SKB_CHECKSUM_COMPLETE, Linux 6.13: the card has summed up the packet."""


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


class Endpoint(Protocol):
    """A transport address: 4 or 16 bytes, and a port."""

    @property
    def packed(self) -> bytes: ...
    @property
    def port(self) -> int: ...


End = TypeVar("End", bound=Endpoint)


@dataclass(frozen=True)
class Route(Generic[End]):
    """One route, in full."""

    source: End
    server: End
    channel: Via
    target: End
    target_server: End
    target_channel: Via
    expires_ns: int
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
            *layout.via(self.channel),
        )
        channel, family = layout.via(self.target_channel)
        whole = layout.ROUTE.pack(
            0,
            key,
            layout.mapped(self.target.packed),
            layout.mapped(self.target_server.packed),
            self.target.port.to_bytes(2),
            self.target_server.port.to_bytes(2),
            channel,
            self.mtu,
            self.ifindex,
            self.leg,
            family,
            bytes(6),
        )
        return whole[layout.ROUTE.offsets["key"] :]


@dataclass(frozen=True)
class Outcome:
    """What the program decided, what it made of the packet, and how long it took on average."""

    verdict: int
    frame: bytes
    mark: int
    duration_ns: int


class Rig:
    """A loaded program with maps of its own, attached to nothing.

    Args:
        now_ns: what time it is for the route table.
        clock_is_config: the program's time is what the map `config` says, not the kernel's clock.
    Raises: FastPathError, with what is missing.

    A leg that nobody has set has no caps.
    """

    def __init__(self, now_ns: int, *, clock_is_config: bool = False) -> None:
        self.now_ns = now_ns
        listener = ServerAddress(bytes([192, 0, 2, 1]), 3478)
        self.program = Program([listener], [], clock_is_config)
        self.config = self.program.array("config")
        self.config.words[layout.CONFIG.word("burst_ns")] = BURST_NS
        self.table = RouteTable(self.program.routes(), self.program.array("slots"), now_ns)
        self.totals = self.program.counters("totals")

    def set_lease(self, until_ns: int) -> None:
        """When everything goes up."""
        self.config.words[layout.CONFIG.word("lease_until_ns")] = until_ns

    def set_route(self, route: Route[End]) -> bool:
        """Install a route. Returns: whether there was room for it."""
        body = route.body()
        key = body[: layout.ROUTE_KEY.size]
        return self.table.set(key, body, route.expires_ns, route.leg, self.now_ns)

    def drop_route(self, route: Route[End]) -> None:
        """Take it away again."""
        self.table.drop(route.body()[: layout.ROUTE_KEY.size], self.now_ns)

    def forwarded(self) -> tuple[int, int]:
        """Packets and bytes the program has forwarded so far."""
        packets, payload = self.totals.sums()
        return packets, payload

    def run(
        self, frame: bytes, context: Context | None = None, repeat: int = 1, flags: int = 0
    ) -> Outcome:
        """Give the program one packet, `repeat` times: what it made of it is what it gets next.

        Args:
            flags: 0 for a card that has done nothing about the checksum; or SUMMED_UP.
        """
        context = context or Context()
        made = ctypes.create_string_buffer(len(frame) + _GROWTH)
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
            flags=flags,
        )
        libbpf.call("bpf_prog_test_run_opts", self.program.fd, ctypes.byref(options))
        out = made.raw[: options.data_size_out]
        return Outcome(options.retval, out, after.mark, options.duration_ns)

    def close(self) -> None:
        """Give everything back."""
        self.config.close()
        self.table.close()
        self.totals.close()
        self.program.close()
