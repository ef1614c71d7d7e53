"""The search for the highest lossless rate."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.search import highest_rate

RATES = st.floats(min_value=500, max_value=900_000)


@given(limit=RATES, precision=st.sampled_from([0.01, 0.03, 0.1]))
def test_the_rate_found_passes_and_is_within_the_precision_of_the_limit(
    limit: float, precision: float
) -> None:
    found = highest_rate(lambda rate: rate <= limit, start=20_000, ceiling=1e6, precision=precision)
    assert limit / (1 + precision) <= found <= limit


@given(limit=RATES)
def test_nothing_above_the_ceiling_is_tried(limit: float) -> None:
    tried: list[float] = []

    def passes(rate: float) -> bool:
        tried.append(rate)
        return rate <= limit

    found = highest_rate(passes, start=20_000, ceiling=50_000, precision=0.03)
    assert max(tried) <= 50_000
    assert found <= min(limit, 50_000)


def test_a_rate_as_high_as_the_ceiling_is_found_exactly() -> None:
    assert highest_rate(lambda rate: True, start=20_000, ceiling=55_555, precision=0.1) == 55_555


def test_a_start_above_the_ceiling_begins_at_the_ceiling() -> None:
    assert highest_rate(lambda rate: True, start=20_000, ceiling=7_000, precision=0.1) == 7_000


def test_one_failure_is_tried_again_and_two_count() -> None:
    tried: list[float] = []

    def passes(rate: float) -> bool:
        tried.append(rate)
        return rate <= 50_000 and tried.count(rate) == 2

    found = highest_rate(passes, start=20_000, ceiling=1e6, precision=0.03)
    assert 50_000 / 1.03 <= found <= 50_000
    assert all(tried.count(rate) == 2 for rate in tried)


def test_a_relay_that_loses_at_any_rate_gives_zero() -> None:
    assert highest_rate(lambda rate: False, start=20_000, ceiling=1e6, precision=0.03) == 0.0
