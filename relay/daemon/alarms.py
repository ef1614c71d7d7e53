"""What the daemon says by itself, and how seldom: an event and a count, and never who it was."""

import logging

from relay.errors import DropReason, RefusalReason
from relay.forward.meter import Tally
from relay.metrics import Counters

log = logging.getLogger(__name__)

ALARM_INTERVAL_S = 60.0
NAMES_INTERVAL_S = 3600.0


class Alarms:
    """
    Args:
        mono: when the relay starts, in monotonic seconds.
    """

    def __init__(self, tally: Tally, counters: Counters, mono: float) -> None:
        self._tally = tally
        self._counters = counters
        self._guessed, self._guessed_at = 0, mono
        self._unnamed, self._unnamed_at = 0, mono

    def look(self, mono: float) -> None:
        """Say at most once a minute that somebody guesses addresses, and once an hour that
        credentials name no call: a setting is wrong then.
        """
        guessed = self._tally.drops[DropReason.GUESSED]
        if guessed > self._guessed and mono >= self._guessed_at:
            log.warning("addresses_guessed", extra={"datagrams": guessed - self._guessed})
            self._guessed, self._guessed_at = guessed, mono + ALARM_INTERVAL_S
        unnamed = self._counters.refused[RefusalReason.NAMES_NO_CALL]
        if unnamed > self._unnamed and mono >= self._unnamed_at:
            requests = unnamed - self._unnamed
            log.warning("credentials name no call: set relay.peers", extra={"requests": requests})
            self._unnamed, self._unnamed_at = unnamed, mono + NAMES_INTERVAL_S
