"""Where a leg is heard from and sent to: only where its party has shown that it is.

Rules of this file: an address becomes a source, and may become the target, when it has answered a
check of the relay's own; it stays one for thirty seconds from its latest answer on. An address that
has never answered is sent `TRIES` checks, and answers to `ANSWERS` of the checks that seem to come
from it, whoever sends them; a leg asks `UNPROVEN` such addresses at once, and one more each
`UNPROVEN_S`. So 64 bytes with a forged source draw some 92 bytes three times and 64 once, at most.
"""

from math import inf

from relay.address import ClientAddress, FiveTuple, Transport
from relay.calls.deadlines import Deadlines
from relay.calls.pool import Entropy
from relay.clock import Now
from relay.effects import Effect, LegConnected, LegIdle
from relay.errors import DropReason, Malformed
from relay.ice.candidate import Candidate
from relay.ice.checks import build_check, find_asked, is_revoked
from relay.ice.ice import Check
from relay.ice.leg import PortCall, PortLeg
from relay.ice.routes import RENEWAL_S, drops, routes_from
from relay.stun.message import Class, Message

CONSENT_S = 30.0
"""RFC 7675 section 5.1."""

RTO_S, TRIES = 0.5, 3
"""RFC 8489 section 6.2.1, and how often a check goes to an address that has never answered: who is
there has three and a half seconds to say so, and sends further checks meanwhile."""

ANSWERS = 8
"""To an address that has not answered yet: what a client sends within half a second."""

_ASKS_FROM_S, _ASKS_WITHIN_S = 4.0, 2.0  # RFC 7675 section 5.1: five seconds, a fifth more or less
_CALLS_PER_TURN = 50  # some 4 ms, in which no packet is forwarded


class Consent:
    """
    Args:
        calls: those that have relayed ports, by name; kept by whoever opens and ends them.
        entropy: random bytes on demand, from a CSPRNG.
    """

    def __init__(self, calls: dict[str, PortCall], entropy: Entropy) -> None:
        self._calls = calls
        self._entropy = entropy
        self._deadlines = Deadlines(self._is_queued)

    def declare(self, leg: PortLeg, address: ClientAddress, now: Now) -> None:
        """The signaling server says where a party is: nothing is asked, routes are renewed."""
        if leg.is_declared and leg.target == address:
            return
        declared = Candidate(address, None)
        declared.due = now.mono + RENEWAL_S
        leg.declare(declared)
        self._schedule(leg)

    def on_check(self, leg: PortLeg, check: Check, source: ClientAddress, now: Now) -> list[Effect]:
        """A check has verified: ask its source back, unless it has answered lately.

        Returns: what comes before the answer to it.
        Raises: Malformed NO_CONSENT, where it is not to be answered. Nothing else.
        Spec: RFC 8445 section 7.3.1.4.
        """
        known = leg.sources.get(source)
        if not check.is_present:
            if known is None:
                raise Malformed(DropReason.NO_CONSENT)
            return []
        if known is None or known.generation is not leg.ice:
            return self._ask_unproven(leg, check, source, now)
        effects = self._learn(leg, known, check.nominates, now)
        if known.due <= now.mono and leg.target != source:
            effects.append(self._ask(leg, known, now))
        self._schedule(leg)
        return effects

    def on_answer(self, leg: PortLeg, answer: Message, client: FiveTuple, now: Now) -> list[Effect]:
        """An address has answered a check: its party is there, and consents to be sent data.

        Returns: the routes that follow from it, if any.
        Raises: Malformed. Nothing else.
        Spec: RFC 8445 section 7.2.5, RFC 7675 section 5.
        """
        shown = find_asked(leg, answer, client)
        if answer.cls is Class.ERROR:
            return self._on_error(leg, shown, answer)
        shown.asked.clear()
        shown.until = now.mono + CONSENT_S
        if leg.pending.get(shown.address) is shown:
            shown.due = self._next_check(now)
            effects = self._learn(leg, shown, shown.nominates, now)
        else:
            effects = _renewed(leg, shown.address, now)
        self._schedule(leg)
        return effects

    def handle_timeout(self, now: Now) -> list[Effect]:
        """Ask whom it is time to ask, and drop who has not answered: so many calls, the others are
        next; see `is_due`.
        """
        effects: list[Effect] = []
        for _ in range(_CALLS_PER_TURN):
            name = self._deadlines.due(now.mono)
            if name is None:
                break
            call = self._calls[name]
            call.queued = inf
            for leg in call.legs:
                effects += self._attend(leg, now)
            self._queue(name, call)
        return effects

    def is_due(self, now: Now) -> bool:
        """Whether something is to be done by now."""
        due = self._deadlines.next()
        return due is not None and due <= now.mono

    def _ask_unproven(
        self, leg: PortLeg, check: Check, source: ClientAddress, now: Now
    ) -> list[Effect]:
        """The source has shown nothing yet, and may be somebody else's."""
        asked, effects = leg.pending.get(source), []
        if asked is None:
            if leg.ice is None or not leg.may_ask(now.mono):
                raise Malformed(DropReason.NO_CONSENT)
            asked = leg.pending[source] = Candidate(source, leg.ice)
            asked.asked.append(self._entropy(12))
            effects = [self._send_again(leg, asked, now)]
            self._schedule(leg)
        asked.nominates |= check.nominates
        asked.answers += 1
        if asked.answers > ANSWERS:
            raise Malformed(DropReason.NO_CONSENT)
        return effects

    def _learn(self, leg: PortLeg, shown: Candidate, nominates: bool, now: Now) -> list[Effect]:
        """A party has shown where it is: routes follow, before it hears so."""
        target, is_new = leg.target, leg.sources.get(shown.address) is not shown
        gone = leg.learn(shown, nominates, now.mono)
        effects: list[Effect] = drops(leg, gone)
        if target is None:
            effects.append(LegConnected(leg.key, Transport.UDP))
        if is_new:
            effects += routes_from(leg, now, shown.address)
        is_aimed = leg.target == shown.address and (is_new or leg.target != target)
        if is_aimed and leg.sibling is not None:
            effects += routes_from(leg.sibling, now)
        return effects

    def _on_error(self, leg: PortLeg, shown: Candidate, answer: Message) -> list[Effect]:
        if not is_revoked(answer):
            raise Malformed(DropReason.NOT_A_REQUEST)
        if leg.pending.get(shown.address) is shown:
            del leg.pending[shown.address]
            return []
        return _lapsed(leg, [shown.address])

    def _attend(self, leg: PortLeg, now: Now) -> list[Effect]:
        """Whatever is due of a leg."""
        effects: list[Effect] = []
        for asked in [each for each in leg.pending.values() if each.due <= now.mono]:
            if asked.tries < TRIES:
                effects.append(self._send_again(leg, asked, now))
            else:
                del leg.pending[asked.address]
        gone = [each.address for each in leg.sources.values() if each.until <= now.mono]
        effects += _lapsed(leg, gone)
        target = leg.sources[leg.target] if leg.target else None
        if target is None or target.due > now.mono:
            return effects
        if target.generation is not None:
            return [*effects, self._ask(leg, target, now)]
        target.due = now.mono + RENEWAL_S
        return [*effects, *routes_from(leg, now)]

    def _ask(self, leg: PortLeg, known: Candidate, now: Now) -> Effect:
        """A consent check, with a transaction of its own. Spec: RFC 7675 section 5.1."""
        known.due = self._next_check(now)
        known.asked.append(self._entropy(12))
        return build_check(leg, known, known.asked[-1])

    def _send_again(self, leg: PortLeg, asked: Candidate, now: Now) -> Effect:
        """The check of an address that has not answered, each time after twice as long."""
        asked.due = now.mono + RTO_S * 2**asked.tries
        asked.tries += 1
        return build_check(leg, asked, asked.asked[-1])

    def _next_check(self, now: Now) -> float:
        share = int.from_bytes(self._entropy(2)) / 65536
        return now.mono + _ASKS_FROM_S + _ASKS_WITHIN_S * share

    def _schedule(self, leg: PortLeg) -> None:
        self._queue(leg.key.call, leg.call)

    def _queue(self, name: str, call: PortCall) -> None:
        at = call.deadline()
        if at < call.queued:
            call.queued = at
            self._deadlines.schedule(at, name, len(self._calls))

    def _is_queued(self, at: float, name: str) -> bool:
        call = self._calls.get(name)
        return call is not None and call.queued == at


def _renewed(leg: PortLeg, source: ClientAddress, now: Now) -> list[Effect]:
    """The routes from a source, and to it, last longer now."""
    effects = routes_from(leg, now, source)
    if leg.target == source and leg.sibling is not None:
        effects += routes_from(leg.sibling, now)
    return effects


def _lapsed(leg: PortLeg, gone: list[ClientAddress]) -> list[Effect]:
    """The end of sources that do not consent any more, and of what is sent to one of them."""
    if not gone:
        return []
    effects: list[Effect] = drops(leg, gone)
    if leg.lose(gone):
        effects += drops(leg.sibling, leg.sibling.sources) if leg.sibling else []
        effects.append(LegIdle(leg.key))
    return effects
