"""All that came of a run, as one value and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.tools.evidence import words
from tests.tools.evidence.placing import Placed
from tests.tools.evidence.scenarios import CALLEE, CALLER
from tests.tools.evidence.written import Written


@dataclass(frozen=True, slots=True)
class Results:
    """Every call that was placed, and what the relay wrote meanwhile."""

    calls: Sequence[Placed]
    written: Sequence[Written]

    @property
    def is_proved(self) -> bool:
        """Every call ended as it had to, and the relay wrote no address."""
        return all(call.is_as_expected for call in self.calls) and not any(
            each.addresses for each in self.written
        )

    def as_document(self) -> dict[str, Any]:
        """For JSON. Addresses are of the laboratory, and still are not shown."""
        return {
            "proved": self.is_proved,
            "calls": [_call(placed) for placed in self.calls],
            "written": [each._asdict() for each in self.written],
        }


def _call(placed: Placed) -> dict[str, Any]:
    scenario = placed.scenario
    return {
        "key": scenario.key,
        "title": scenario.title,
        "privacy": list(scenario.asked),
        "answered": scenario.is_answered,
        "rebuilt": scenario.is_rebuilt,
        "expected_exposed": list(scenario.exposed),
        "exposed": list(placed.exposed),
        "callee_saw_of_caller": words.seen(placed, CALLER, CALLEE),
        "caller_saw_of_callee": words.seen(placed, CALLEE, CALLER),
        "media_path": words.path(placed),
        "packets": {"direct": placed.direct, "relayed": placed.relayed},
        "frames": placed.frames,
        "as_expected": placed.is_as_expected,
        "verdict": words.verdict(placed),
        "audit": placed.report.as_document(is_shown=False),
    }
