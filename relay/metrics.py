"""Metrics: plain integers while packets flow, Prometheus only when somebody scrapes.

Rules of this file: labels come from closed lists, never an address, a user or a call. Every label
value is in the first scrape, so that a rate is right from the first event on.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from relay.address import Transport
from relay.effects import Refused
from relay.errors import DropReason, RefusalReason
from relay.stun.message import Method

CONTENT_TYPE = CONTENT_TYPE_LATEST

PATHS = ("user", "kernel")
STATES = ("ringing", "active")
TRANSPORTS = tuple(transport.value for transport in Transport)

BUCKETS_S = (25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3)
"""Upper bounds of `request_seconds`: an answer takes some 100 microseconds where nothing waits."""

_METHODS = {method.value: method.name.lower() for method in Method}
_ANSWERABLE = (
    Method.BINDING,
    Method.ALLOCATE,
    Method.REFRESH,
    Method.CREATE_PERMISSION,
    Method.CHANNEL_BIND,
)
"""Methods of requests that can succeed. The others are indications, or of RFC 6062 and refused."""


class Counters:
    """Counts answers and the time they take, in a few plain additions each.

    `refused` are refused requests, by what the code of the answer does not tell.
    """

    __slots__ = ("answers", "refused", "seconds", "took_per_bucket")

    def __init__(self) -> None:
        self.answers: dict[tuple[int, int], int] = {}
        self.refused = dict.fromkeys(RefusalReason, 0)
        self.took_per_bucket = [0] * (len(BUCKETS_S) + 1)
        self.seconds = 0.0

    def answered(self, method: int, code: int) -> None:
        """Count the answer to a request: its method, and 0 for success or the error code."""
        key = (method, code)
        self.answers[key] = self.answers.get(key, 0) + 1

    def count_refused(self, refused: Refused) -> None:
        """Count a request that was refused."""
        self.refused[refused.reason] += 1

    def took(self, seconds: float) -> None:
        """Count how long the relay took over one datagram."""
        self.took_per_bucket[bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class CertificateState:
    """The certificate of tls:// listeners.

    Args:
        expires_at_s: when the one in use expires, in Unix time; None without one.
        is_refused: its files hold something else, which no client would accept.
    """

    expires_at_s: float | None = None
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The gauges and totals of the daemon at one moment.

    Args:
        calls: how many calls are live, by state.
        allocations: how many there are, by transport of the client.
        users: how many users hold allocations.
        routes, packets, bytes: by path.
        drops: by path and reason.
        ports_free: how many ports of relayed transport addresses are free.
        fastpath_attached: the fast path is attached.
        restarts_adopted: 1 if this daemon took over the routes of an earlier one.
        certificate: the state of the certificate.
    """

    calls: Mapping[str, int] = field(default_factory=dict)
    allocations: Mapping[str, int] = field(default_factory=dict)
    routes: Mapping[str, int] = field(default_factory=dict)
    packets: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    drops: Mapping[tuple[str, DropReason], int] = field(default_factory=dict)
    users: int = 0
    ports_free: int = 0
    fastpath_attached: bool = False
    restarts_adopted: int = 0
    certificate: CertificateState = field(default_factory=CertificateState)


def render(snapshot: Snapshot, counters: Counters) -> bytes:
    """Write one scrape in the text format of Prometheus (`CONTENT_TYPE`)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(snapshot, counters))
    return generate_latest(registry)


class _Scrape(Collector):
    """Gives Prometheus the metric families of one scrape."""

    def __init__(self, snapshot: Snapshot, counters: Counters) -> None:
        self._snapshot = snapshot
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        now = self._snapshot
        yield _gauge("calls", "Calls that ring or are active.", "state", STATES, now.calls)
        yield _gauge(
            "allocations", "Allocations of clients.", "transport", TRANSPORTS, now.allocations
        )
        yield GaugeMetricFamily(
            "callveil_users", "Users that hold allocations.", value=float(now.users)
        )
        yield _gauge("routes", "Routes that are set.", "path", PATHS, now.routes)
        yield _counter("packets", "Packets that the relay has passed on.", now.packets)
        yield _counter("bytes", "Payload bytes that the relay has passed on.", now.bytes)
        yield self._drops()
        yield self._requests()
        yield self._refused()
        yield self._request_seconds()
        yield GaugeMetricFamily(
            "callveil_ports_free",
            "Ports of relayed transport addresses that are free.",
            value=float(now.ports_free),
        )
        yield GaugeMetricFamily(
            "callveil_fastpath_attached",
            "1 while the fast path is attached, else 0.",
            value=float(now.fastpath_attached),
        )
        yield CounterMetricFamily(
            "callveil_restarts_adopted",
            "1 if this daemon took over the routes of an earlier one, else 0.",
            value=float(now.restarts_adopted),
        )
        yield GaugeMetricFamily(
            "callveil_certificate_fault",
            "1 while the relay refuses what the certificate's files hold, else 0.",
            value=float(now.certificate.is_refused),
        )
        expiry = GaugeMetricFamily(
            "callveil_certificate_expiry_seconds",
            "When the certificate in use expires, in Unix time. Without TLS there is no value.",
        )
        if now.certificate.expires_at_s is not None:
            expiry.add_metric([], now.certificate.expires_at_s)
        yield expiry

    def _drops(self) -> Metric:
        family = CounterMetricFamily(
            "callveil_drops", "Datagrams that the relay dropped.", labels=["reason", "path"]
        )
        for path in PATHS:
            for reason in DropReason:
                count = self._snapshot.drops.get((path, reason), 0)
                family.add_metric([reason.label, path], count)
        return family

    def _requests(self) -> Metric:
        """Answers by method and code; the code of a success response is `success`."""
        family = CounterMetricFamily(
            "callveil_requests", "Requests that the relay answered.", labels=["method", "code"]
        )
        counts = {(_METHODS[method], "success"): 0 for method in _ANSWERABLE}
        for (method, code), count in self._counters.answers.items():
            labels = _METHODS.get(method, "other"), str(code or "success")
            counts[labels] = counts.get(labels, 0) + count
        for labels, count in counts.items():
            family.add_metric(labels, count)
        return family

    def _refused(self) -> Metric:
        family = CounterMetricFamily(
            "callveil_refused",
            "Requests with a valid credential that the relay refused, by the reason.",
            labels=["reason"],
        )
        for reason, count in self._counters.refused.items():
            family.add_metric([reason.value], count)
        return family

    def _request_seconds(self) -> Metric:
        bounds = [*map(repr, BUCKETS_S), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counters.took_per_bucket), strict=True))
        return HistogramMetricFamily(
            "callveil_request_seconds",
            "Seconds from the arrival of a datagram to the end of what the relay did about it.",
            buckets=buckets,
            sum_value=self._counters.seconds,
        )


def _gauge(
    name: str, text: str, label: str, values: tuple[str, ...], counts: Mapping[str, int]
) -> Metric:
    family = GaugeMetricFamily(f"callveil_{name}", text, labels=[label])
    for value in values:
        family.add_metric([value], counts.get(value, 0))
    return family


def _counter(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    """Build a counter with the label `path`."""
    family = CounterMetricFamily(f"callveil_{name}", text, labels=["path"])
    for path in PATHS:
        family.add_metric([path], counts.get(path, 0))
    return family
