"""Allocate and Refresh: RFC 8656 sections 7.2 and 8.2."""

from collections import OrderedDict

from relay.address import IPV4, IPV6, FiveTuple, PeerAddress, ServerAddress
from relay.calls.book import Book
from relay.calls.call import Leg
from relay.calls.pool import Entropy
from relay.clock import Now
from relay.effects import CallCreated, Effect, LegConnected, LegKey, SetLeg
from relay.errors import Rejected
from relay.stun.attributes import Attribute, Pair
from relay.turn.allocation import Allocation, remember_own
from relay.turn.families import FAMILIES, check_families, default_family
from relay.turn.lifetimes import Lifetimes
from relay.turn.outer import OuterPort
from relay.turn.request import Request
from relay.turn.reservations import Reservations
from relay.turn.routes import routes_of
from relay.turn.settings import TurnSettings
from relay.turn.table import Table

DEFAULT_LIFETIME_S = 600  # RFC 8656 section 7.2
MAXIMUM_LIFETIME_S = 3600  # as recommended there

PORTS_PER_ALLOCATION = 4
"""A leg may use so many times the ports that it may hold, with those that are reserved or rest: a
client at its limit restarts ICE three times a minute before it has to wait."""

_UDP = 17
_DEPARTED = 4096  # deleted allocations whose last Refresh may be sent again


class Allocations:
    """Decides who gets a relayed address, and for how long."""

    def __init__(
        self,
        settings: TurnSettings,
        table: Table,
        lifetimes: Lifetimes,
        book: Book,
        reservations: Reservations,
        entropy: Entropy,
    ) -> None:
        self._settings = settings
        self._table = table
        self._lifetimes = lifetimes
        self._book = book
        self._reservations = reservations
        self._entropy = entropy
        self._ips = _by_family(settings.relayed_ips)
        self._local_ips = _by_family(settings.local_ips)
        self._relay_ips = frozenset(settings.relayed_ips + settings.local_ips)
        self._departed: OrderedDict[FiveTuple, bytes] = OrderedDict()

    def on_allocate(self, request: Request, now: Now) -> list[Effect]:
        """Give a client a relayed address of its own.

        Where its leg is at its limit, the oldest of its allocations that carries nothing gives way.

        Returns: the call where it is new, the leg's caps, then the answer.
        Raises: Rejected 400, 401, 403, 437, 440, 442, 486 or 508. Nothing else.
        Spec: RFC 8656 section 7.2, its checks in its order.
        """
        if request.held is not None:
            return self._answer_again(request, request.held, now)
        if request.credential.expiry < now.wall:
            raise Rejected(401)
        self._check_transport(request)
        even = request.get(Attribute.EVEN_PORT)
        token = request.get(Attribute.RESERVATION_TOKEN)
        asked = check_families(request, self._ips, even, has_token=token is not None)
        expires = now.mono + _lifetime(request.get(Attribute.LIFETIME))
        ports = 2 if even is True else 0 if token is not None else max(len(asked), 1)
        oldest = self._check_quota(request, ports, now)
        leg = self._book.admit(request.credential.call, request.credential.leg, now)
        families = asked or (default_family(leg.call, request.client.server, self._ips),)
        drawn = [self._draw(leg, family, even, token, now) for family in families]
        added = [self._add(request, leg, *each, expires) for each in drawn if each is not None]
        if not added:
            return self._refuse(request, leg, now)
        allocation = added[0]
        if even is True:
            pool, upper = self._table.pool_of(leg.call), allocation.relayed.port + 1
            family = allocation.relayed.family
            allocation.reservation = self._reservations.reserve(leg, pool, upper, family, now)
        shown = remember_own(leg, request.client.client.packed, self._relay_ips)
        routes = [route for own in shown for route in routes_of(own, now, only_new=True)]
        for own in shown:
            self._lifetimes.schedule(own.port.of)
        return [
            *self._admitted(leg),
            LegConnected(leg.key, request.client.transport),
            *(self._lifetimes.remove(oldest.sides, now) if oldest is not None else ()),
            *(effect for side in added if side.outer is not None for effect in side.outer.open()),
            *routes,
            *self._granted(request, allocation, now),
        ]

    def on_refresh(self, request: Request, now: Now) -> list[Effect]:
        """Lengthen an allocation, or delete it where LIFETIME is 0; with a family that side of it.

        Returns: its routes with their new expiry, or their end, then the answer.
        Raises: Rejected 400, 437, 441 or 443. Nothing else.
        Spec: RFC 8656 section 8.2.
        """
        requested = request.get(Attribute.LIFETIME)
        if requested == 0 and self._is_departed(request):  # sent again; not meant for a later one
            return request.success((Attribute.LIFETIME, 0))
        allocation = request.allocation()
        family = request.get(Attribute.REQUESTED_ADDRESS_FAMILY)
        sides = [each for each in allocation.sides if family in (None, each.relayed.family)]
        if not sides:
            raise Rejected(443)
        if requested == 0:
            self._remember_departed(request)
            gone = self._lifetimes.remove(sides, now)
            return [*gone, *request.success((Attribute.LIFETIME, 0))]
        lifetime = _lifetime(requested)
        for side in sides:
            side.expires = now.mono + lifetime
            self._lifetimes.schedule(side)
        changed = [effect for side in sides for effect in routes_of(side, now)]
        return [*changed, *request.success((Attribute.LIFETIME, lifetime))]

    def _answer_again(self, request: Request, held: Allocation, now: Now) -> list[Effect]:
        # RFC 8656 section 7.2 step 2, the stateless way: the same request gets the same answer.
        if held.transaction_id != request.message.transaction_id:
            raise Rejected(437)
        request.allocation()  # 441
        return self._granted(request, held, now)

    def _check_transport(self, request: Request) -> None:
        transport = request.get(Attribute.REQUESTED_TRANSPORT)
        if transport is None:
            raise Rejected(400)
        if transport != _UDP:
            raise Rejected(442)

    def _check_quota(self, request: Request, ports: int, now: Now) -> Allocation | None:
        """Whether the leg may have one more, and so many more ports of its pool.

        Returns: the allocation that has to give way for it.
        """
        key = LegKey(request.credential.call, request.credential.leg)
        call = self._book.find(key.call)
        leg = call.leg(key.leg) if call else None
        held = self._table.allocations_of(leg) if leg and call and not call.ports else []
        oldest = None
        if len(held) >= self._settings.allocations_per_leg:
            oldest = next((each for each in held if _is_idle(each, now)), None)
            if oldest is None:
                raise Rejected(486)
        if ports and self._table.count_ports(call, key, now.mono) + ports > self._ports_per_leg:
            raise Rejected(486)
        if len(self._table.by_client) >= self._settings.allocations:
            raise Rejected(508)
        return oldest

    @property
    def _ports_per_leg(self) -> int:
        return PORTS_PER_ALLOCATION * self._settings.allocations_per_leg

    def _refuse(self, request: Request, leg: Leg, now: Now) -> list[Effect]:
        """No port is left for a leg that has been admitted."""
        if not leg.held:
            self._book.release(leg, now)  # nobody has heard of it
        return request.failure(508)

    def _admitted(self, leg: Leg) -> list[Effect]:
        """A leg holds an allocation; a credential may have begun its call with it."""
        caps = SetLeg(leg.key, leg.call.bitrate_bps, self._book.rules.packets_per_s)
        is_first = not any(each.is_metered for each in leg.call.legs)
        leg.is_metered = True
        if is_first and not leg.call.is_registered:
            return [CallCreated(leg.call.id, is_ringing=False), caps]
        return [caps]

    def _draw(
        self, leg: Leg, family: int, even: bool | None, token: bytes | None, now: Now
    ) -> tuple[PeerAddress, ServerAddress | None] | None:
        """A relayed address that is free, None where there is none; and what its host calls it,
        where it is to be reached from outside the relay.
        """
        if token is not None:
            kept = self._reservations.claim(token, leg)
            return (PeerAddress(self._ips[kept.family], kept.port), None) if kept else None
        is_outer = leg.call.half_relayed and leg.masked and even is None
        outer = self._draw_outer(leg, family, now) if is_outer else None
        if outer is not None:
            return PeerAddress(self._ips[family], outer.port), outer
        pool, is_even, is_pair = self._table.pool_of(leg.call), even is not None, even is True
        port = pool.draw(self._entropy, now.mono, leg.key, even=is_even, pair=is_pair)
        return (PeerAddress(self._ips[family], port), None) if port >= 0 else None

    def _draw_outer(self, leg: Leg, family: int, now: Now) -> ServerAddress | None:
        """An outer port; None where there is none left: the leg has the relay only, then."""
        local = self._local_ips.get(family)
        if not local:
            return None
        port = self._table.draw_outer(leg, self._ports_per_leg, self._entropy, now.mono)
        return ServerAddress(local, port) if port > 0 else None

    def _add(
        self,
        request: Request,
        leg: Leg,
        relayed: PeerAddress,
        outer: ServerAddress | None,
        expires: float,
    ) -> Allocation:
        allocation = Allocation(request.client, leg, relayed, expires)
        allocation.username = request.credential.username
        allocation.key = request.credential.key
        allocation.transaction_id = request.message.transaction_id
        allocation.outer = OuterPort(outer, allocation) if outer is not None else None
        self._table.add(allocation)
        self._lifetimes.schedule(allocation)
        return allocation

    def _granted(self, request: Request, allocation: Allocation, now: Now) -> list[Effect]:
        is_masked = allocation.leg.masked and self._settings.mask_mapped_address
        nobodys = PeerAddress(allocation.relayed.packed, self._settings.masked_port)
        mapped = nobodys if is_masked else request.client.client
        attributes: list[Pair] = [
            *((Attribute.XOR_RELAYED_ADDRESS, side.relayed) for side in allocation.sides),
            (Attribute.LIFETIME, round(allocation.expires - now.mono)),
            (Attribute.XOR_MAPPED_ADDRESS, mapped),
        ]
        if allocation.reservation:
            attributes.append((Attribute.RESERVATION_TOKEN, allocation.reservation))
        if request.get(Attribute.ADDITIONAL_ADDRESS_FAMILY) is not None:
            given = {side.relayed.family for side in allocation.sides}
            for family in FAMILIES:
                if family not in given:
                    code = 440 if family not in self._ips else 508
                    attributes.append((Attribute.ADDRESS_ERROR_CODE, (family, code, "")))
        return request.success(*attributes)

    def _remember_departed(self, request: Request) -> None:
        self._departed[request.client] = request.message.transaction_id
        if len(self._departed) > _DEPARTED:
            self._departed.popitem(last=False)

    def _is_departed(self, request: Request) -> bool:
        return self._departed.get(request.client) == request.message.transaction_id


def _by_family(ips: tuple[bytes, ...]) -> dict[int, bytes]:
    return {IPV4 if len(ip) == 4 else IPV6: ip for ip in ips}


def _is_idle(allocation: Allocation, now: Now) -> bool:
    return not any(side.is_in_use(now.mono) for side in allocation.sides)


def _lifetime(requested: int | None) -> int:
    # RFC 8656 section 7.2: never less than the default, never more than the maximum.
    return min(max(requested or 0, DEFAULT_LIFETIME_S), MAXIMUM_LIFETIME_S)
