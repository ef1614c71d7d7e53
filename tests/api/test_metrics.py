"""What a scrape shows."""

from prometheus_client.parser import text_string_to_metric_families

from relay.effects import Refused
from relay.errors import DropReason, RefusalReason
from relay.metrics import BUCKETS_S, CertificateState, Counters, Snapshot, render
from relay.stun.message import Method

LABELS = {
    "callveil_calls": {"state"},
    "callveil_allocations": {"transport"},
    "callveil_users": set(),
    "callveil_routes": {"path"},
    "callveil_packets": {"path"},
    "callveil_bytes": {"path"},
    "callveil_drops": {"reason", "path"},
    "callveil_requests": {"method", "code"},
    "callveil_refused": {"reason"},
    "callveil_request_seconds": {"le"},
    "callveil_ports_free": set(),
    "callveil_fastpath_attached": set(),
    "callveil_restarts_adopted": set(),
    "callveil_certificate_fault": set(),
    "callveil_certificate_expiry_seconds": set(),
}


def _samples(snapshot: Snapshot, counters: Counters) -> dict[tuple[str, ...], float]:
    """Every sample by name and label values in the order of the label names."""
    text = render(snapshot, counters).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_is_there_from_the_first_scrape_on_with_its_labels() -> None:
    text = render(Snapshot(), Counters()).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {
        name: {label for sample in family.samples for label in sample.labels}
        for name, family in families.items()
    } == LABELS
    assert all(sample.value == 0 for family in families.values() for sample in family.samples)
    reasons = {sample.labels["reason"] for sample in families["callveil_drops"].samples}
    assert reasons == {reason.label for reason in DropReason}
    refusals = {sample.labels["reason"] for sample in families["callveil_refused"].samples}
    assert refusals == {"names_no_call", "revoked"}


def test_a_scrape_shows_what_the_daemon_counts() -> None:
    counters = Counters()
    for code in (0, 0, 401):
        counters.answered(Method.ALLOCATE, code)
    counters.answered(0xFFF, 500)
    counters.count_refused(Refused(RefusalReason.REVOKED))
    snapshot = Snapshot(
        calls={"ringing": 1, "active": 2},
        allocations={"udp": 3, "tls": 4},
        routes={"kernel": 5},
        packets={"user": 6, "kernel": 7},
        bytes={"user": 8, "kernel": 9},
        drops={("user", DropReason.RINGING): 10, ("kernel", DropReason.EXPIRED): 11},
        users=14,
        ports_free=12,
        fastpath_attached=True,
        restarts_adopted=13,
        certificate=CertificateState(expires_at_s=1.75e9, is_refused=True),
    )
    shown = {key: value for key, value in _samples(snapshot, counters).items() if value}
    assert shown == {
        ("callveil_calls", "ringing"): 1,
        ("callveil_calls", "active"): 2,
        ("callveil_allocations", "udp"): 3,
        ("callveil_allocations", "tls"): 4,
        ("callveil_routes", "kernel"): 5,
        ("callveil_packets_total", "user"): 6,
        ("callveil_packets_total", "kernel"): 7,
        ("callveil_bytes_total", "user"): 8,
        ("callveil_bytes_total", "kernel"): 9,
        ("callveil_drops_total", "user", "ringing"): 10,
        ("callveil_drops_total", "kernel", "expired"): 11,
        ("callveil_requests_total", "success", "allocate"): 2,
        ("callveil_requests_total", "401", "allocate"): 1,
        ("callveil_requests_total", "500", "other"): 1,
        ("callveil_refused_total", "revoked"): 1,
        ("callveil_users",): 14,
        ("callveil_ports_free",): 12,
        ("callveil_fastpath_attached",): 1,
        ("callveil_restarts_adopted_total",): 13,
        ("callveil_certificate_fault",): 1,
        ("callveil_certificate_expiry_seconds",): 1.75e9,
    }


def test_durations_fall_into_the_bucket_that_ends_with_them() -> None:
    counters = Counters()
    for seconds in (BUCKETS_S[0], BUCKETS_S[0] * 1.01, 1.0):
        counters.took(seconds)
    samples = _samples(Snapshot(), counters)
    buckets = [samples["callveil_request_seconds_bucket", repr(bound)] for bound in BUCKETS_S]
    assert buckets == [1.0] + [2.0] * (len(BUCKETS_S) - 1)
    assert samples["callveil_request_seconds_bucket", "+Inf"] == 3.0
    assert samples["callveil_request_seconds_count",] == 3.0
    assert samples["callveil_request_seconds_sum",] == sum((BUCKETS_S[0] * 2.01, 1.0))
