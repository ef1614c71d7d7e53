"""Where a leg is heard from and sent to: only where its party has shown that it is.

Rules of this file: an address becomes a source, and may become the target, when it has answered a
check of the relay's own; it stays one for thirty seconds from its latest answer on. An address that
has never answered is sent `TRIES` checks, and answers to `ANSWERS` of the checks that seem to come
from it, whoever sends them; a leg asks `UNPROVEN` such addresses at once, and one more each
`UNPROVEN_S`. So 64 bytes with a forged source draw some 92 bytes three times and 64 once, at most.
"""

from relay.address import ClientAddress, FiveTuple, Transport
from relay.calls.deadlines import Deadlines
from relay.calls.pool import Entropy
from relay.calls.routes import part
from relay.clock import Now
from relay.effects import Effect, LegConnected, LegIdle
from relay.errors import DropReason, Malformed
from relay.ice.candidate import Candidate
from relay.ice.check import Check
from relay.ice.checks import build_check, find_asked, is_revoked
from relay.ice.port import RelayedPort
from relay.ice.routes import RENEWAL_S, routes_from
from relay.stun.message import Class, Message

CONSENT_S = 30.0
"""RFC 7675 section 5.1."""

RTO_S, TRIES = 0.5, 3
"""RFC 8489 section 6.2.1, and how often a check goes to an address that has never answered: who is
there has three and a half seconds to say so, and sends further checks meanwhile."""

ANSWERS = 8
"""To an address that has not answered yet: what a client sends within half a second."""

_ASKS_FROM_S, _ASKS_WITHIN_S = 4.0, 2.0  # RFC 7675 section 5.1: five seconds, a fifth more or less


class Consent:
    """
    Args:
        deadlines: where those of ports are queued.
        entropy: random bytes on demand, from a CSPRNG.
    """

    def __init__(self, deadlines: Deadlines, entropy: Entropy) -> None:
        self._deadlines = deadlines
        self._entropy = entropy

    def declare(self, port: RelayedPort, address: ClientAddress, now: Now) -> None:
        """The signaling server says where a party is: nothing is asked, routes are renewed."""
        if port.is_declared and port.target == address:
            return
        declared = Candidate(port.leg, port.port, address, None)
        declared.due = now.mono + RENEWAL_S
        port.declare(declared)
        self._deadlines.schedule(port)

    def on_check(
        self, port: RelayedPort, check: Check, source: ClientAddress, now: Now
    ) -> list[Effect]:
        """A check has verified: ask its source back, unless it has answered lately.

        Returns: what comes before the answer to it.
        Raises: Malformed NO_CONSENT, where it is not to be answered. Nothing else.
        Spec: RFC 8445 section 7.3.1.4.
        """
        known = port.sources.get(source)
        if not check.is_present:
            if known is None:
                raise Malformed(DropReason.NO_CONSENT)
            return []
        if known is None or known.generation is not port.ice:
            return self._ask_unproven(port, check, source, now)
        effects = self._learn(port, known, check.nominates, now)
        if known.due <= now.mono and port.target != source:
            effects.append(self._ask(known, now))
        self._deadlines.schedule(port)
        return effects

    def on_answer(
        self, port: RelayedPort, answer: Message, client: FiveTuple, now: Now
    ) -> list[Effect]:
        """An address has answered a check: its party is there, and consents to be sent data.

        Returns: the routes that follow from it, if any.
        Raises: Malformed. Nothing else.
        Spec: RFC 8445 section 7.2.5, RFC 7675 section 5.
        """
        shown = find_asked(port, answer, client)
        if answer.cls is Class.ERROR:
            return self._on_error(port, shown, answer)
        shown.asked.clear()
        shown.expires = now.mono + CONSENT_S
        if port.pending.get(shown.address) is shown:
            shown.due = self._next_check(now)
            effects = self._learn(port, shown, shown.nominates, now)
        else:
            effects = _renewed(port, shown.address, now)
        self._deadlines.schedule(port)
        return effects

    def lapse(self, port: RelayedPort, now: Now) -> list[Effect]:
        """The deadline of a port has come: ask whom it is time to ask, drop who has not answered,
        renew routes.
        """
        effects: list[Effect] = []
        for asked in [each for each in port.pending.values() if each.due <= now.mono]:
            if asked.tries < TRIES:
                effects.append(self._send_again(asked, now))
            else:
                del port.pending[asked.address]
        effects += _lapsed(port, [s for s in port.sources.values() if s.expires <= now.mono])
        effects += self._attend(port, now)
        self._deadlines.schedule(port)
        return effects

    def _ask_unproven(
        self, port: RelayedPort, check: Check, source: ClientAddress, now: Now
    ) -> list[Effect]:
        """The source has shown nothing yet, and may be somebody else's."""
        asked, effects = port.pending.get(source), []
        if asked is None:
            if port.ice is None or not port.may_ask(now.mono):
                raise Malformed(DropReason.NO_CONSENT)
            asked = port.pending[source] = Candidate(port.leg, port.port, source, port.ice)
            asked.asked.append(self._entropy(12))
            effects = [self._send_again(asked, now)]
            self._deadlines.schedule(port)
        asked.nominates |= check.nominates
        asked.answers += 1
        if asked.answers > ANSWERS:
            raise Malformed(DropReason.NO_CONSENT)
        return effects

    def _learn(
        self, port: RelayedPort, shown: Candidate, nominates: bool, now: Now
    ) -> list[Effect]:
        """A party has shown where it is: routes follow, before it hears so."""
        target, is_new = port.target, port.sources.get(shown.address) is not shown
        gone = port.learn(shown, nominates, now.mono)
        effects: list[Effect] = part(gone)
        if target is None:
            effects.append(LegConnected(port.leg.key, Transport.UDP))
        if is_new:
            effects += routes_from(port, now, shown.address)
        is_aimed = port.target == shown.address and (is_new or port.target != target)
        if is_aimed and port.sibling is not None:
            effects += routes_from(port.sibling, now)
        return effects

    def _on_error(self, port: RelayedPort, shown: Candidate, answer: Message) -> list[Effect]:
        if not is_revoked(answer):
            raise Malformed(DropReason.NOT_A_REQUEST)
        if port.pending.get(shown.address) is shown:
            del port.pending[shown.address]
            return []
        return _lapsed(port, [shown])

    def _attend(self, port: RelayedPort, now: Now) -> list[Effect]:
        """Ask where data is sent, or renew the routes to where it was declared to be, if due."""
        target = port.aimed
        if target is None or target.due > now.mono:
            return []
        if target.generation is not None:
            return [self._ask(target, now)]
        target.due = now.mono + RENEWAL_S
        return routes_from(port, now)

    def _ask(self, known: Candidate, now: Now) -> Effect:
        """A consent check, with a transaction of its own. Spec: RFC 7675 section 5.1."""
        known.due = self._next_check(now)
        known.asked.append(self._entropy(12))
        return build_check(known, known.asked[-1])

    def _send_again(self, asked: Candidate, now: Now) -> Effect:
        """The check of an address that has not answered, each time after twice as long."""
        asked.due = now.mono + RTO_S * 2**asked.tries
        asked.tries += 1
        return build_check(asked, asked.asked[-1])

    def _next_check(self, now: Now) -> float:
        share = int.from_bytes(self._entropy(2)) / 65536
        return now.mono + _ASKS_FROM_S + _ASKS_WITHIN_S * share


def _renewed(port: RelayedPort, source: ClientAddress, now: Now) -> list[Effect]:
    """The routes from a source, and to it, last longer now."""
    effects = routes_from(port, now, source)
    if port.target == source and port.sibling is not None:
        effects += routes_from(port.sibling, now)
    return effects


def _lapsed(port: RelayedPort, gone: list[Candidate]) -> list[Effect]:
    """The end of sources that do not consent any more, and of what is sent to one of them."""
    if not gone:
        return []
    effects = part(gone)
    if port.lose(gone):
        effects += part(port.sibling.sources.values()) if port.sibling else []
        effects.append(LegIdle(port.leg.key))
    return effects
