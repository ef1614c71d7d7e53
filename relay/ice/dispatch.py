"""Relayed ports: who gets one, whose datagrams it takes, and where they go.

Rules of this file: where a party is, it has shown by its answer to a check of the relay, or the
signaling server has told; never is it learned from a packet that happens to arrive. Every datagram
that leads to nothing ends in `Count`.
"""

import base64
from collections.abc import Mapping
from contextlib import suppress

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.call import Call, Leg
from relay.calls.deadlines import Deadlines
from relay.calls.pool import Entropy, PortPool
from relay.calls.routes import part
from relay.clock import Now
from relay.effects import ClosePort, Count, Deliver, Effect, LegConnected, LegIdle, OpenPort, SetLeg
from relay.errors import CallError, DropReason, Malformed
from relay.ice.access import Access, Endpoint, IceCredentials
from relay.ice.check import Ice
from relay.ice.consent import Consent
from relay.ice.port import RelayedPort, port_of
from relay.ice.reach import check_declared, check_source, reach_of
from relay.ice.routes import routes_from, routes_in
from relay.ice.settings import PortSettings
from relay.stun.demux import STUN
from relay.stun.message import Class, Method, parse

_TRIES = 16
"""Ports drawn for one leg before it is given up: other programs of this host hold some."""

_NOTHING_KNOWN = Access()


class PortsMode:
    """
    Args:
        settings: what does not change while the relay lives.
        deadlines: where those of ports are queued.
        entropy: random bytes on demand, from a CSPRNG.
        pool: of ports that are unique on this relay.
    """

    def __init__(
        self, settings: PortSettings, deadlines: Deadlines, entropy: Entropy, pool: PortPool
    ) -> None:
        self._settings = settings
        self._deadlines = deadlines
        self._entropy = entropy
        self._ice = Ice(settings)
        self._pool = pool
        self._by_port: dict[ServerAddress, RelayedPort] = {}
        self._reach = reach_of(settings)
        self._consent = Consent(deadlines, entropy)

    def open(
        self, call: Call, access: Mapping[str, Access], packets_per_s: int, now: Now
    ) -> list[Effect]:
        """Give each leg of a new call a relayed port, drawn at random.

        Args:
            access: what is known of the parties so far, by their ids.
            packets_per_s: cap of each leg.
        Returns: for each leg its caps, the port, and the routes, where the party is known already.
        Raises: CallError `invalid_request` or `out_of_ports`, and then no leg has a port.
        """
        effects: list[Effect] = []
        try:
            for leg in call.legs:
                known = access.get(leg.party, _NOTHING_KNOWN)
                port = self._draw(leg, known, 0, now)
                effects.append(SetLeg(leg.key, call.bitrate_bps, packets_per_s))
                effects += self._opened(port, now)
        except CallError:
            for leg in call.legs:
                self.end_leg(leg, now)
            raise
        for leg in call.legs:
            leg.is_metered = True
        return effects

    def port_failed(
        self, address: ServerAddress, *, is_taken: bool, now: Now
    ) -> tuple[Leg, list[Effect]] | None:
        """A relayed port could not be opened: another one takes its place.

        Args:
            is_taken: another program of this host has it, so that another port may do.
        Returns: whose it was, the new port, and the routes anew. Where no port will do, the leg
            holds none. None where the port is not known.
        """
        failed = self._by_port.get(address)
        if failed is None:
            return None
        effects, tries = self._part(failed), failed.tries + 1
        effects += [LegIdle(failed.leg.key)] if failed.target else []
        self._forget(failed, now)
        if is_taken and tries < _TRIES:
            with suppress(CallError):
                port = self._draw(failed.leg, failed.access, tries, now)
                effects += self._opened(port, now)
        return failed.leg, effects

    def set_access(self, leg: Leg, access: Access, now: Now) -> list[Effect]:
        """The signaling server has come to know where a party is, or that its ICE restarts.

        Raises: CallError `wrong_state` or `invalid_request`, and then nothing has changed.
        """
        port = self._port(leg)
        if access.address is not None:
            check_declared(self._reach, access.address)
            if access.address.family != port.port.family:
                raise CallError(
                    "invalid_request", "address: give an address of the relayed port's IP version."
                )
        return self._admit(port, access, now)

    def endpoint(self, leg: Leg) -> Endpoint:
        """What a party is told. Raises: CallError `wrong_state`. Nothing else."""
        return self._port(leg).endpoint

    def receive(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Decide what one datagram that no route forwards leads to.

        Args:
            datagram: any bytes.
            client: where it came from; its server is the relayed port that it came to.
        Returns: effects in the order they must happen; none where an answer changes nothing.
        Raises: nothing.
        """
        port = self._by_port.get(client.server)
        if port is None:
            return [Count(DropReason.NO_ALLOCATION)]
        try:
            if not datagram:
                raise Malformed(DropReason.TOO_SHORT)
            if datagram[0] in STUN:  # never crosses
                return self._on_stun(datagram, port, client, now)
        except Malformed as malformed:
            return [Count(malformed.reason)]
        return self._on_data(datagram, port, client.client, now)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether the party of that relayed port is at this address, or is being asked there."""
        port = self._by_port.get(client.server)
        return port is not None and (client.client in port.sources or client.client in port.pending)

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram names the relay's ufrag on that port, which only its party knows."""
        port = self._by_port.get(client.server)
        return port is not None and port.is_named_in(datagram)

    def accept(self, call: Call, now: Now) -> list[Effect]:
        """A call is active: data may cross, as far as it is known where from and where to."""
        return routes_in(call, now)

    def change(self, call: Call, now: Now) -> list[Effect]:
        """A call may last longer: its routes, with their new expiry."""
        return routes_in(call, now)

    def end_leg(self, leg: Leg, now: Now) -> list[Effect]:
        """A call ends: the routes of this leg and its port go at once; the port rests."""
        port = port_of(leg)
        if port is None:
            return []
        effects = [*self._part(port), ClosePort(port.port)]
        self._forget(port, now)
        return [*effects, LegIdle(leg.key)] if port.target else effects

    def lapse(self, port: RelayedPort, now: Now) -> list[Effect]:
        """The deadline of a port has come."""
        return self._consent.lapse(port, now)

    def transport_of(self, leg: Leg) -> Transport | None:
        """UDP, where it is known where the party is."""
        port = port_of(leg)
        return Transport.UDP if port is not None and port.target is not None else None

    def has_ports(self) -> bool:
        """Whether any leg has a relayed port."""
        return bool(self._by_port)

    @property
    def ports_free(self) -> int:
        """Relayed ports left to draw."""
        return self._pool.free

    def _on_stun(
        self, datagram: bytes, port: RelayedPort, client: FiveTuple, now: Now
    ) -> list[Effect]:
        message = parse(datagram)
        if message.method == Method.BINDING and message.cls in (Class.SUCCESS, Class.ERROR):
            return self._consent.on_answer(port, message, client, now)
        if client.client not in port.sources:
            check_source(self._reach, client.client)
        check = self._ice.receive(message, port, client, now)
        if isinstance(check, list):
            return check
        changes = self._consent.on_check(port, check, client.client, now)
        is_masked = port.leg.masked and self._settings.mask_mapped_address
        return [*changes, *check.success(is_masked)]

    def _on_data(
        self, datagram: bytes, port: RelayedPort, source: ClientAddress, now: Now
    ) -> list[Effect]:
        leg, known, sibling = port.leg, port.sources.get(source), port.sibling
        if known is None or known.expires <= now.mono:
            return [Count(DropReason.UNKNOWN_SOURCE)]
        if not leg.call.is_active:
            return [Count(DropReason.RINGING, leg.key)]
        if leg.call.expires <= now.mono:
            return [Count(DropReason.EXPIRED, leg.key)]
        target = sibling.aimed if sibling is not None else None
        if target is None:
            has_lapsed = sibling is not None and sibling.has_lapsed
            reason = DropReason.NO_CONSENT if has_lapsed else DropReason.UNKNOWN_TARGET
            return [Count(reason, leg.key)]
        if target.expires <= now.mono:
            return [Count(DropReason.NO_CONSENT, leg.key)]
        return [Deliver(leg.key, target.client, datagram, len(datagram))]

    def _admit(self, port: RelayedPort, access: Access, now: Now) -> list[Effect]:
        """Take in what is said of a party, and set routes anew where that changes who is known."""
        target, sources, sibling = port.target, dict(port.sources), port.sibling
        if access.address is not None:
            self._consent.declare(port, access.address, now)
        elif access.ice is not None:
            port.expect(access.ice, self._credentials())
        if port.target == target and port.sources == sources:
            return []
        effects = part(sources.values())
        if port.target is None:
            effects += part(sibling.sources.values()) if sibling is not None else []
            return [*effects, LegIdle(port.leg.key)]
        if target is None:
            effects.append(LegConnected(port.leg.key, Transport.UDP))
        effects += routes_from(port, now)
        return [*effects, *(routes_from(sibling, now) if sibling is not None else ())]

    def _draw(self, leg: Leg, access: Access, tries: int, now: Now) -> RelayedPort:
        """Take a port for a leg. Raises: CallError `invalid_request` or `out_of_ports`."""
        public, local = self._pair(access.address)
        if access.address is not None:
            check_declared(self._reach, access.address)
        number = self._pool.draw(self._entropy, now.mono)
        if number < 0:
            raise CallError(
                "out_of_ports", "Every relayed port is in use, or was within the last minute."
            )
        relayed, port = PeerAddress(public.packed, number), ServerAddress(local.packed, number)
        taken = RelayedPort(leg, relayed, port, self._credentials(), access, tries)
        leg.call.hold(taken)
        self._by_port[port] = taken
        self._reach.open(number)
        return taken

    def _opened(self, port: RelayedPort, now: Now) -> list[Effect]:
        return [OpenPort(port.port), *self._admit(port, port.access, now)]

    def _part(self, port: RelayedPort) -> list[Effect]:
        """End the routes from a port and to it."""
        to_it = port.sibling.sources.values() if port.sibling is not None else ()
        return part((*port.sources.values(), *to_it))

    def _pair(self, declared: ClientAddress | None) -> tuple[PeerAddress, ServerAddress]:
        """The relay's address that a leg gets: of the party's family, where that is known."""
        for public, local in self._settings.addresses:
            if declared is None or declared.family == public.family:
                return public, local
        raise CallError("invalid_request", "address: the relay has no address of this IP version.")

    def _port(self, leg: Leg) -> RelayedPort:
        port = port_of(leg)
        if port is None:
            raise CallError("wrong_state", "Only a call in ports mode has endpoints.", leg.call.id)
        return port

    def _forget(self, port: RelayedPort, now: Now) -> None:
        port.leg.call.let_go(port)
        self._deadlines.forget(port)
        del self._by_port[port.port]
        self._reach.close(port.port.port)
        self._pool.release(port.port.port, now.mono)

    def _credentials(self) -> IceCredentials:
        """48 random bits to be told apart by, 144 to sign with: RFC 8445 section 5.3."""
        ufrag, pwd = base64.b64encode(self._entropy(6)), base64.b64encode(self._entropy(18))
        return IceCredentials(ufrag.decode(), pwd.decode())
