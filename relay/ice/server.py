"""Relayed ports: who gets one, whose datagrams it takes, and where they go.

Rules of this file: where a party is, it has shown by its answer to a check of the relay, or the
signaling server has told; never is it learned from a packet that happens to arrive. Every datagram
that leads to nothing ends in `Count`.
"""

import base64

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.call import Grant
from relay.calls.pool import Entropy, PortPool
from relay.clock import Now
from relay.effects import (
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    Effect,
    LegConnected,
    LegIdle,
    LegKey,
    OpenPort,
    SetLeg,
)
from relay.errors import CallError, DropReason, Malformed
from relay.ice.access import Access, Endpoint, IceCredentials
from relay.ice.consent import Consent
from relay.ice.ice import Ice
from relay.ice.leg import PortCall, PortLeg
from relay.ice.reach import Reach
from relay.ice.routes import drops, routes_from, routes_of
from relay.ice.settings import PortSettings
from relay.stun.demux import STUN
from relay.stun.message import Class, Method, parse


class Ports:
    """
    Args:
        settings: what does not change while the relay lives.
        entropy: random bytes on demand, from a CSPRNG.
        pool: of ports that are unique on this relay; absent where nobody else draws from them.
    """

    def __init__(
        self, settings: PortSettings, entropy: Entropy, pool: PortPool | None = None
    ) -> None:
        self._settings = settings
        self._entropy = entropy
        self._ice = Ice(settings)
        self._pool = pool or PortPool(settings.ports)
        self._calls: dict[str, PortCall] = {}
        self._by_port: dict[ServerAddress, PortLeg] = {}
        self._reach = Reach(settings)
        self._consent = Consent(self._calls, entropy)

    def open_leg(self, grant: Grant, access: Access, now: Now) -> list[Effect]:
        """Give one leg a relayed port, drawn at random.

        Args:
            access: what is known of the party so far.
        Returns: the leg's caps, the port, and the routes, where the party is known already.
        Raises: CallError `invalid_request` or `out_of_ports`, and then nothing has changed.
        """
        public, local = self._pair(access.address)
        if access.address is not None:
            self._reach.check_declared(access.address)
        number = self._pool.draw(self._entropy, now.mono)
        if number < 0:
            raise CallError("out_of_ports", "Every relayed port is taken or resting.")
        call = self._calls.get(grant.call)
        if call is None:
            call = self._calls[grant.call] = PortCall(grant.open, grant.expires)
        key, port = LegKey(grant.call, grant.leg), ServerAddress(local.packed, number)
        leg = PortLeg(key, call, port, self._credentials())
        leg.relayed = PeerAddress(public.packed, number)
        leg.masked = grant.masked
        call.legs.append(leg)
        self._by_port[port] = leg
        self._reach.open(number)
        caps = SetLeg(key, grant.bitrate_bps, grant.packets_per_s)
        return [caps, OpenPort(port), *self._admit(leg, access, now)]

    def set_access(self, key: LegKey, access: Access, now: Now) -> list[Effect]:
        """The signaling server has come to know where a party is, or that its ICE restarts.

        Raises: CallError `unknown_call` or `invalid_request`, and then nothing has changed.
        """
        leg = self._leg(key)
        if access.address is not None:
            self._reach.check_declared(access.address)
            if access.address.family != leg.port.family:
                raise CallError(
                    "invalid_request", "address: the family of the relayed port is expected."
                )
        return self._admit(leg, access, now)

    def endpoint(self, key: LegKey) -> Endpoint:
        """What a party is told. Raises: CallError `unknown_call`. Nothing else."""
        return self._leg(key).endpoint

    def receive(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Decide what one datagram that no route forwards leads to.

        Args:
            datagram: any bytes.
            client: where it came from; its server is the relayed port that it came to.
        Returns: effects in the order they must happen; none where an answer changes nothing.
        Raises: nothing.
        """
        leg = self._by_port.get(client.server)
        if leg is None:
            return [Count(DropReason.NO_ALLOCATION)]
        try:
            if not datagram:
                raise Malformed(DropReason.TOO_SHORT)
            if datagram[0] in STUN:  # never crosses
                return self._on_stun(datagram, leg, client, now)
        except Malformed as malformed:
            return [Count(malformed.reason)]
        return self._on_data(datagram, leg, client.client, now)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether the party of that relayed port is at this address, or is being asked there."""
        leg = self._by_port.get(client.server)
        return leg is not None and (client.client in leg.sources or client.client in leg.pending)

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram names the relay's ufrag on that port, which only its party knows."""
        leg = self._by_port.get(client.server)
        return leg is not None and leg.is_named_in(datagram)

    def open_call(self, call: str, now: Now) -> list[Effect]:
        """A call was accepted: data may cross, as far as it is known where from and where to."""
        found = self._calls.get(call)
        if found is None:
            return []
        found.open = True
        return routes_of(found, now)

    def change_call(
        self, call: str, masked: frozenset[str], expires: float, now: Now
    ) -> list[Effect]:
        """What the signaling server has changed: who is masked, and until when the call lasts.

        Returns: its routes with their new expiry.
        """
        found = self._calls.get(call)
        if found is None:
            return []
        found.expires = expires
        for leg in found.legs:
            leg.masked = leg.key.leg in masked
        return routes_of(found, now)

    def end_call(self, call: str, now: Now) -> list[Effect]:
        """A call has ended: its routes, its ports and its legs go at once; the ports rest."""
        found = self._calls.pop(call, None)
        if found is None:
            return []
        legs = found.legs
        effects: list[Effect] = [drop for leg in legs for drop in drops(leg, leg.sources)]
        for leg in legs:
            effects.append(ClosePort(leg.port))
            effects += [LegIdle(leg.key)] if leg.target else []
            effects.append(DropLeg(leg.key))
            self._forget(leg, now)
        legs.clear()  # they point back: without this only the cyclic collector frees them
        return effects

    def handle_timeout(self, now: Now) -> list[Effect]:
        """Ask parties whether they are still there, drop who has not answered, and renew routes; to
        be asked a few times a second, and again while `is_due`.

        The ends of calls are none of it: `end_call` says them.
        """
        return self._consent.handle_timeout(now)

    def is_due(self, now: Now) -> bool:
        """Whether there was more to do than fits into one turn."""
        return self._consent.is_due(now)

    def close_leg(self, key: LegKey, now: Now) -> list[Effect]:
        """A port could not be opened: let go of it, and let it rest."""
        call = self._calls[key.call]
        leg = self._leg(key)
        call.legs.remove(leg)
        self._forget(leg, now)
        if not call.legs:
            del self._calls[key.call]
        return [ClosePort(leg.port), DropLeg(key)]

    def connected_legs(self, call: str) -> dict[str, bool]:
        """The legs of a call, and whether it is known where each party is."""
        found = self._calls.get(call)
        legs = found.legs if found else []
        return {leg.key.leg: leg.target is not None for leg in legs}

    def has_calls(self) -> bool:
        """Whether any call holds ports."""
        return bool(self._calls)

    @property
    def ports_free(self) -> int:
        """Relayed ports left to draw."""
        return self._pool.free

    def _on_stun(self, datagram: bytes, leg: PortLeg, client: FiveTuple, now: Now) -> list[Effect]:
        message = parse(datagram)
        if message.method == Method.BINDING and message.cls in (Class.SUCCESS, Class.ERROR):
            return self._consent.on_answer(leg, message, client, now)
        if client.client not in leg.sources:
            self._reach.check_source(client.client)
        check = self._ice.receive(message, leg, client, now)
        if isinstance(check, list):
            return check
        changes = self._consent.on_check(leg, check, client.client, now)
        is_masked = leg.masked and self._settings.mask_mapped_address
        return [*changes, *check.success(is_masked)]

    def _on_data(
        self, datagram: bytes, leg: PortLeg, source: ClientAddress, now: Now
    ) -> list[Effect]:
        known, sibling = leg.sources.get(source), leg.sibling
        if known is None or known.until <= now.mono:
            return [Count(DropReason.UNKNOWN_SOURCE)]
        if not leg.call.open:
            return [Count(DropReason.RINGING, leg.key)]
        if leg.call.expires <= now.mono:
            return [Count(DropReason.EXPIRED, leg.key)]
        if sibling is None or sibling.target is None:
            has_lapsed = sibling is not None and sibling.has_lapsed
            reason = DropReason.NO_CONSENT if has_lapsed else DropReason.UNKNOWN_TARGET
            return [Count(reason, leg.key)]
        if sibling.sources[sibling.target].until <= now.mono:
            return [Count(DropReason.NO_CONSENT, leg.key)]
        target = FiveTuple(Transport.UDP, sibling.target, sibling.port)
        return [Deliver(leg.key, target, datagram, len(datagram))]

    def _admit(self, leg: PortLeg, access: Access, now: Now) -> list[Effect]:
        """Take in what is said of a party, and set routes anew where that changes who is known."""
        target, sources = leg.target, dict(leg.sources)
        if access.address is not None:
            self._consent.declare(leg, access.address, now)
        elif access.ice is not None:
            leg.expect(access.ice, self._credentials())
        if leg.target == target and leg.sources == sources:
            return []
        effects: list[Effect] = drops(leg, sources)
        if leg.sibling is not None and leg.target is None:
            effects += drops(leg.sibling, leg.sibling.sources)
        if leg.target is None:
            return [*effects, LegIdle(leg.key)]
        if target is None:
            effects.append(LegConnected(leg.key, Transport.UDP))
        effects += routes_from(leg, now)
        return [*effects, *(routes_from(leg.sibling, now) if leg.sibling else ())]

    def _pair(self, declared: ClientAddress | None) -> tuple[PeerAddress, ServerAddress]:
        """The relay's address that a leg gets: of the party's family, where that is known."""
        for public, local in self._settings.addresses:
            if declared is None or declared.family == public.family:
                return public, local
        raise CallError("invalid_request", "address: a family that this relay has is expected.")

    def _leg(self, key: LegKey) -> PortLeg:
        call = self._calls.get(key.call)
        for leg in call.legs if call else ():
            if leg.key == key:
                return leg
        raise CallError("unknown_call", "There is no such call.")

    def _forget(self, leg: PortLeg, now: Now) -> None:
        del self._by_port[leg.port]
        self._reach.close(leg.port.port)
        self._pool.release(leg.port.port, now.mono)

    def _credentials(self) -> IceCredentials:
        """48 random bits to be told apart by, 144 to sign with: RFC 8445 section 5.3."""
        ufrag, pwd = base64.b64encode(self._entropy(6)), base64.b64encode(self._entropy(18))
        return IceCredentials(ufrag.decode(), pwd.decode())
