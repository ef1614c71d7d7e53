"""Which calls are placed, and what has to come of each."""

from dataclasses import dataclass, replace

CALLER, CALLEE = "caller", "callee"
PARTIES = (CALLER, CALLEE)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One call.

    Args:
        key: short, for files.
        asked: the parties with enhanced call privacy on.
        is_answered: the callee picks up.
        exposed: the parties whose addresses the other side must be able to see, and no others.
        is_rebuilt: descriptions are made safe before they are passed on.
    """

    key: str
    asked: tuple[str, ...]
    is_answered: bool
    exposed: tuple[str, ...] = ()
    is_rebuilt: bool = True

    @property
    def title(self) -> str:
        """In words."""
        privacy = {0: "off", 1: f"on for the {''.join(self.asked)}", 2: "on for both"}
        answered = "answered" if self.is_answered else "nobody picks up"
        control = "" if self.is_rebuilt else ", descriptions passed on as they are (control)"
        return f"Privacy {privacy[len(self.asked)]}, {answered}{control}"

    def without_rebuilding(self) -> "Scenario":
        """The same as a control: what the descriptions would have told, has to be found."""
        exposed = PARTIES if self.is_answered else (CALLER,)
        return replace(self, key=f"{self.key}-not-rebuilt", exposed=exposed, is_rebuilt=False)


OFF_ANSWERED = Scenario("off-answered", (), True, exposed=PARTIES)
OFF_UNANSWERED = Scenario("off-unanswered", (), False, exposed=(CALLER,))
ONE_ANSWERED = Scenario("one-answered", (CALLER,), True)
ONE_UNANSWERED = Scenario("one-unanswered", (CALLER,), False)
BOTH_ANSWERED = Scenario("both-answered", PARTIES, True)
BOTH_UNANSWERED = Scenario("both-unanswered", PARTIES, False)
CONTROL = BOTH_ANSWERED.without_rebuilding()

ALL = (
    OFF_ANSWERED,
    OFF_UNANSWERED,
    ONE_ANSWERED,
    ONE_UNANSWERED,
    BOTH_ANSWERED,
    BOTH_UNANSWERED,
    CONTROL,
)
