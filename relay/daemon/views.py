"""What the API and the metrics show: what the server knows, and what the forwarding side counts."""

from typing import Literal

from relay.address import Transport
from relay.api.relay import Party, Status
from relay.calls.call import Call
from relay.clock import Now
from relay.effects import LegKey
from relay.errors import DropReason
from relay.forward.forwarder import Forwarder
from relay.forward.meter import Tally
from relay.metrics import CertificateState, Counters, Snapshot, render
from relay.server import Server


class Views:
    """
    Args:
        started: when the relay started.
    """

    def __init__(
        self,
        server: Server,
        forwarder: Forwarder,
        tally: Tally,
        counters: Counters,
        started: Now,
    ) -> None:
        self._server = server
        self._forwarder = forwarder
        self._tally = tally
        self._counters = counters
        self._started = started
        self.certificate = CertificateState()

    def legs(self, call: Call) -> dict[str, Party]:
        """Show what each leg of a call has done so far, without legs that never connected."""
        return {
            leg.id: self._leg(leg.key, self._server.transport_of(leg))
            for leg in call.legs
            if leg.is_metered
        }

    def status(self, now: Now, *, is_ready: bool) -> Status:
        """How the relay is."""
        is_draining = self._server.is_draining
        return Status(
            ready=is_ready and not is_draining,
            draining=is_draining,
            calls=self._server.counts(),
            uptime_s=now.mono - self._started.mono,
            allocations=sum(self._server.count_allocations().values()),
            fastpath=self._forwarder.kernel.status,
        )

    def metrics(self) -> bytes:
        """One scrape."""
        tally, forwarder, server = self._tally, self._forwarder, self._server
        kernel = forwarder.kernel
        in_kernel = kernel.counters()
        snapshot = Snapshot(
            calls={state.value: count for state, count in server.counts().items()},
            allocations={t.value: n for t, n in server.count_allocations().items()},
            routes={"user": forwarder.routes, "kernel": kernel.routes},
            packets={"user": tally.packets, "kernel": in_kernel.packets},
            bytes={"user": tally.bytes, "kernel": in_kernel.bytes},
            drops={
                (path, reason): drops[reason]
                for path, drops in (("user", tally.drops), ("kernel", in_kernel.drops))
                for reason in DropReason
            },
            users=server.count_users(),
            ports_free=server.ports_free,
            fastpath_attached=kernel.is_attached,
            restarts_adopted=int(kernel.adopted > 0),
            certificate=self.certificate,
        )
        return render(snapshot, self._counters)

    def _leg(self, leg: LegKey, transport: Transport | None) -> Party:
        path: Literal["kernel", "user"] | None = None
        if transport is not None:
            path = "kernel" if self._forwarder.is_in_kernel(leg) else "user"
        counts = [x for x in (self._forwarder.meter(leg), self._forwarder.kernel_leg(leg)) if x]
        return Party(
            leg=leg.leg,
            connected=transport is not None,
            transport=transport,
            path=path,
            packets=sum(count.packets for count in counts),
            bytes=sum(count.bytes for count in counts),
            dropped=sum(count.dropped for count in counts),
        )
