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
        gathers_all: the clients gather every candidate there is, whatever they are told.
        is_rebuilt: the signaling server has descriptions rebuilt, and holds candidates until
            somebody picks up; otherwise it passes on what comes, when it comes.
        is_half: those that asked are masked and nobody else (`masking: opted_in`).
    """

    key: str
    asked: tuple[str, ...]
    is_answered: bool
    exposed: tuple[str, ...] = ()
    gathers_all: bool = True
    is_rebuilt: bool = True
    is_half: bool = False

    @property
    def is_control(self) -> bool:
        """With privacy on, and nobody who does anything for it but the relay."""
        return bool(self.asked) and self.gathers_all and not self.is_rebuilt

    @property
    def title(self) -> str:
        """In words."""
        privacy = {0: "off", 1: f"on for the {''.join(self.asked)}", 2: "on for both"}
        answered = "answered" if self.is_answered else "nobody picks up"
        return f"Privacy {privacy[len(self.asked)]}, {answered}{self._more}"

    @property
    def _more(self) -> str:
        if not self.asked:
            return ""
        if self.is_control:
            return " (control: descriptions as the clients wrote them)"
        if self.is_half:
            return " (masking: opted_in)"
        if self.gathers_all:
            return " (clients that gather every candidate)"
        return "" if self.is_rebuilt else " (descriptions passed on too early)"

    def without_rebuilding(self) -> "Scenario":
        """The same as a control: what the descriptions would have told, has to be found."""
        return replace(
            self,
            key=f"{self.key}-not-rebuilt",
            exposed=PARTIES if self.is_answered else (CALLER,),
            gathers_all=True,
            is_rebuilt=False,
        )


OFF_ANSWERED = Scenario("off-answered", (), True, PARTIES, is_rebuilt=False)
OFF_UNANSWERED = Scenario("off-unanswered", (), False, (CALLER,), is_rebuilt=False)
ONE_ANSWERED = Scenario("one-answered", (CALLER,), True, gathers_all=False)
ONE_UNANSWERED = Scenario("one-unanswered", (CALLER,), False, gathers_all=False, is_rebuilt=False)
HALF_ANSWERED = Scenario(
    "half-answered", (CALLER,), True, (CALLEE,), gathers_all=False, is_half=True
)
BOTH_ANSWERED = Scenario("both-answered", PARTIES, True)
BOTH_UNANSWERED = Scenario("both-unanswered", PARTIES, False)
CONTROL = BOTH_ANSWERED.without_rebuilding()

ALL = (
    OFF_ANSWERED,
    OFF_UNANSWERED,
    ONE_ANSWERED,
    ONE_UNANSWERED,
    HALF_ANSWERED,
    BOTH_ANSWERED,
    BOTH_UNANSWERED,
    CONTROL,
)
