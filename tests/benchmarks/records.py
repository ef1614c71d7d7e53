"""Made-up results, with figures that are easy to follow by hand."""

from benchmarks.figures import derive, generator_bound, medians, ratios
from benchmarks.results import (
    InstallRecord,
    KernelRecord,
    MemoryRecord,
    ProgramRecord,
    Purpose,
    RestartRecord,
    Result,
    RoundRecord,
    SetUpRecord,
    SystemRecord,
    TrialRecord,
    TurnRecord,
)

LEVELS = (1, 100)
ROUTES = (1, 10)
LIMIT_PPS = 400_000.0


def trial(
    purpose: Purpose, pps: float, *, lost: int = 0, live_calls: int = 1, busy: float = 0.5
) -> TrialRecord:
    """One second at a rate, a tenth of a millisecond late at the median."""
    return TrialRecord(
        purpose=purpose,
        live_calls=live_calls,
        asked_pps=pps,
        achieved_pps=pps,
        sent=int(pps),
        received=int(pps) - lost,
        late=0,
        stray=0,
        generator_dropped=0,
        mean_burst=1.0,
        relay_busy=busy,
        generator_busy=1.0,
        stolen=0.0,
        loss=lost / pps,
        cpu_us=busy / pps * 1e6,
        delay_p50_us=100.0,
        delay_p99_us=200.0,
    )


def set_ups(live_calls: int, finished: int, *, generator_busy: float = 0.5) -> SetUpRecord:
    """One second of set-ups that fill the relay's core by half."""
    return SetUpRecord(
        live_calls=live_calls,
        finished=finished,
        failures={},
        retransmissions=0,
        elapsed_s=1.0,
        relay_busy=0.5,
        generator_busy=generator_busy,
        stolen=0.0,
    )


MEMORY = MemoryRecord(
    allocations=200,
    failures={},
    resident_before_bytes=1_000_000,
    resident_after_bytes=1_400_000,
    descriptors_before=10,
    descriptors_after=210,
)


KERNEL = KernelRecord(
    programs=[
        ProgramRecord(routes=1, same_ns=[100, 80, 90], any_ns=[100, 80, 90]),
        ProgramRecord(routes=10, same_ns=[108, 99, 90], any_ns=[180, 270, 90]),
    ],
    install=InstallRecord(calls=20_000, routes=40_000, elapsed_s=4.0),
)


def restart(lost: int) -> RestartRecord:
    """One second at 40,000 packets/s with a restart in it."""
    return RestartRecord(trial=trial("restart", 40_000, lost=lost), is_back=True)


def measured(
    system: str, number: int, lossless_pps: float, kernel: KernelRecord | None = None
) -> TurnRecord:
    """One turn of a system whose lossless rate is given; all else is the same for all."""
    trials = [
        trial("lossless", lossless_pps / 2),
        trial("lossless", lossless_pps),
        trial("lossless", lossless_pps * 2, lost=int(lossless_pps)),
        trial("delay", 20_000),
        trial("delay", 40_000, lost=1_000),
        trial("packets", 20_000, live_calls=1, busy=0.2),
        trial("packets", 20_000, live_calls=100, busy=0.3),
    ]
    return TurnRecord(
        system=system,
        number=number,
        ready_s=0.5,
        trials=trials,
        set_ups=[set_ups(1, 1_000), set_ups(100, 800)],
        memory=MEMORY,
        restart=restart(0 if kernel else 30_000 + number),
        kernel=kernel,
    )


def concluded(of: TurnRecord) -> RoundRecord:
    """The same turn with its figures."""
    figures, bound = derive(of, LEVELS), generator_bound(of, LIMIT_PPS)
    return RoundRecord(**dict(of), figures=figures, generator_bound=bound)


def turn(
    system: str, number: int, lossless_pps: float, kernel: KernelRecord | None = None
) -> RoundRecord:
    """A measured turn with its figures."""
    return concluded(measured(system, number, lossless_pps, kernel))


def result(*, quick: bool = True) -> Result:
    """Three rounds of a reference, a system in user space, and one that outruns the generator."""
    rates = {"old": 50_000, "new": 75_000, "newer": 399_000}
    rounds = [
        turn(name, number, rate + number * 100, KERNEL if name == "newer" else None)
        for number in (1, 2, 3)
        for name, rate in rates.items()
    ]
    middle = medians(rounds)
    return Result(
        started_at="2026-01-01T00:00:00+00:00",
        elapsed_s=60.0,
        quick=quick,
        host={"cpu": "a <fast> one", "kernel": "6.1", "commit": "abc"},
        background_busy=0.01,
        generator_limit_pps=LIMIT_PPS,
        levels=list(LEVELS),
        routes=list(ROUTES),
        systems=[
            SystemRecord(name="old", kind="reference", version="1"),
            SystemRecord(name="new", kind="user", version="2"),
            SystemRecord(name="newer", kind="kernel", version="3"),
        ],
        rounds=rounds,
        medians=middle,
        ratios=ratios(middle, "old"),
    )
