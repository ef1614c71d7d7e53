"""Allocate and Refresh: RFC 8656 sections 7.2 and 8.2."""

from collections import OrderedDict
from typing import NamedTuple

from relay.address import IPV4, IPV6, FiveTuple, PeerAddress, ServerAddress
from relay.calls.pool import RESERVATION_S, Entropy
from relay.clock import Now
from relay.effects import Effect, LegConnected, LegIdle, LegKey, SetLeg
from relay.errors import Rejected
from relay.stun.attributes import Attribute, Pair
from relay.turn.authority import Calls, Grant
from relay.turn.legs import Leg
from relay.turn.lifetimes import Lifetimes
from relay.turn.outer import OuterPort, remember_own
from relay.turn.request import Request
from relay.turn.routes import Routes
from relay.turn.settings import TurnSettings
from relay.turn.table import Allocation, Table

DEFAULT_LIFETIME_S = 600  # RFC 8656 section 7.2
MAXIMUM_LIFETIME_S = 3600  # as recommended there

PORTS_PER_ALLOCATION = 4
"""A leg may use so many times the ports that it may hold, with those that are reserved or rest: a
client at its limit restarts ICE three times a minute before it has to wait."""

_UDP = 17
_DEPARTED = 4096  # deleted allocations whose last Refresh may be sent again


class Reservation(NamedTuple):
    """The upper port of a pair, kept for the leg that asked for it."""

    port: int
    family: int
    leg: Leg
    expires: float


class Allocations:
    """Decides who gets a relayed address, and for how long."""

    def __init__(
        self,
        settings: TurnSettings,
        table: Table,
        lifetimes: Lifetimes,
        routes: Routes,
        calls: Calls,
        entropy: Entropy,
    ) -> None:
        self._settings = settings
        self._table = table
        self._lifetimes = lifetimes
        self._routes = routes
        self._calls = calls
        self._entropy = entropy
        self._ips = _by_family(settings.relayed_ips)
        self._local_ips = _by_family(settings.local_ips)
        self._relay_ips = frozenset(settings.relayed_ips + settings.local_ips)
        self._reserved: OrderedDict[bytes, Reservation] = OrderedDict()
        self._departed: OrderedDict[FiveTuple, bytes] = OrderedDict()

    def on_allocate(self, request: Request, now: Now) -> list[Effect]:
        """Give a client a relayed address of its own.

        Where its leg is at its limit, the oldest of its allocations that carries nothing gives way.

        Returns: the leg's caps where it is new, then the answer.
        Raises: Rejected 400, 401, 403, 437, 440, 442, 486 or 508. Nothing else.
        Spec: RFC 8656 section 7.2, its checks in its order.
        """
        if request.held is not None:
            return self._answer_again(request, request.held, now)
        if request.credential.expiry < now.wall:
            raise Rejected(401)
        self._check_transport(request)
        family = self._check_family(request)
        even = request.get(Attribute.EVEN_PORT)
        token = request.get(Attribute.RESERVATION_TOKEN)
        oldest = self._check_quota(request, 2 if even is True else 1 if token is None else 0, now)
        grant = self._calls.admit(request.credential.call, request.credential.leg, now)
        leg = self._leg(request, grant)
        is_outer = grant.half_relayed and leg.masked and even is None and token is None
        outer = self._draw_outer(leg, family, now) if is_outer else None
        if outer is not None:
            port = outer.port
        elif token is not None:
            port, family = self._claim(token, leg)
        else:
            pair = even is True
            pool = leg.call.pool
            port = pool.draw(self._entropy, now.mono, leg.key, even=even is not None, pair=pair)
        if port < 0:
            return [*self._unused(leg), *request.failure(508)]
        allocation = self._add(request, leg, PeerAddress(self._ips[family], port), outer, now)
        if even is True:
            allocation.reservation = self._reserve(port + 1, family, leg, now)
        shown = remember_own(leg, request.client, self._relay_ips)
        routes = [route for own in shown for route in self._routes.new_of(own, now)]
        for own in shown:
            self._lifetimes.schedule(own.of)
        return [
            SetLeg(leg.key, grant.bitrate_bps, grant.packets_per_s),
            LegConnected(leg.key, request.client.transport),
            *(self._lifetimes.remove(oldest, now) if oldest is not None else ()),
            *(allocation.outer.open() if allocation.outer is not None else ()),
            *routes,
            *self._granted(request, allocation, now),
        ]

    def on_refresh(self, request: Request, now: Now) -> list[Effect]:
        """Lengthen an allocation, or delete it where LIFETIME is 0.

        Returns: its routes with their new expiry, or their end, then the answer.
        Raises: Rejected 400, 437, 441 or 443. Nothing else.
        Spec: RFC 8656 section 8.2.
        """
        requested = request.get(Attribute.LIFETIME)
        if requested == 0 and self._is_departed(request):  # sent again; not meant for a later one
            return request.success((Attribute.LIFETIME, 0))
        allocation = request.allocation()
        family = request.get(Attribute.REQUESTED_ADDRESS_FAMILY)
        if family is not None and family != allocation.relayed.family:
            raise Rejected(443)
        if requested == 0:
            self._remember_departed(request)
            gone = self._lifetimes.remove(allocation, now)
            return [*gone, *request.success((Attribute.LIFETIME, 0))]
        lifetime = _lifetime(requested)
        allocation.expires = now.mono + lifetime
        self._lifetimes.schedule(allocation)
        changed = self._routes.of(allocation, now)
        return [*changed, *request.success((Attribute.LIFETIME, lifetime))]

    def handle_timeout(self, now: Now) -> None:
        """Give back reserved ports that nobody claimed."""
        while self._reserved:
            token, reservation = next(iter(self._reserved.items()))
            if now.mono < reservation.expires:
                return
            del self._reserved[token]
            reservation.leg.call.pool.release(reservation.port, now.mono)

    def next_timeout(self) -> float | None:
        """When the oldest reservation runs out, in monotonic seconds."""
        oldest = next(iter(self._reserved.values()), None)
        return oldest.expires if oldest else None

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

    def _check_family(self, request: Request) -> int:
        requested = request.get(Attribute.REQUESTED_ADDRESS_FAMILY)
        additional = request.get(Attribute.ADDITIONAL_ADDRESS_FAMILY)
        even = request.get(Attribute.EVEN_PORT)
        has_token = request.get(Attribute.RESERVATION_TOKEN) is not None
        if has_token and (even, requested, additional) != (None, None, None):
            raise Rejected(400)
        if additional is not None and (requested is not None or additional != IPV6 or even is True):
            raise Rejected(400)
        family = IPV4 if requested is None else requested
        if family not in self._ips and not has_token:
            raise Rejected(440)
        return int(family)

    def _leg(self, request: Request, grant: Grant) -> Leg:
        closed = grant.closed or self._settings.peers == "call"
        call = self._table.call(request.credential.call, closed)
        call.open = call.open or grant.open
        call.expires = grant.expires
        name = request.credential.leg
        leg = call.legs.get(name) or Leg(call, name)
        leg.masked = grant.masked
        return leg

    def _check_quota(self, request: Request, ports: int, now: Now) -> Allocation | None:
        """Whether the leg may have one more, and so many more ports of its pool.

        Returns: the allocation that has to give way for it.
        """
        key = LegKey(request.credential.call, request.credential.leg)
        call = self._table.calls.get(key.call)
        leg = call.legs.get(key.leg) if call else None
        held = leg.allocations if leg else []
        is_at_limit = len(held) >= self._settings.allocations_per_leg
        oldest = next((each for each in held if not each.carries(now.mono)), None)
        if is_at_limit and oldest is None:
            raise Rejected(486)
        if ports and self._table.count_ports(key, now.mono) + ports > self._ports_per_leg:
            raise Rejected(486)
        if len(self._table.by_client) >= self._settings.allocations:
            raise Rejected(508)
        return oldest if is_at_limit else None

    @property
    def _ports_per_leg(self) -> int:
        return PORTS_PER_ALLOCATION * self._settings.allocations_per_leg

    def _unused(self, leg: Leg) -> list[Effect]:
        """A leg was admitted for nothing: whoever keeps the calls may forget it."""
        if not leg.call.legs:
            del self._table.calls[leg.call.id]
        return [] if leg.allocations else [LegIdle(leg.key)]

    def _draw_outer(self, leg: Leg, family: int, now: Now) -> ServerAddress | None:
        """An outer port; None where there is none left: the leg has the relay only, then."""
        local = self._local_ips.get(family)
        if not local:
            return None
        port = self._table.draw_outer(leg, self._ports_per_leg, self._entropy, now.mono)
        return ServerAddress(local, port) if port > 0 else None

    def _claim(self, token: bytes, leg: Leg) -> tuple[int, int]:
        """Take the port a reservation kept, or -1.

        Deviates: a token is good for the leg that asked for it and for nobody else who has come to
        know it (RFC 8656 section 7.2 leaves that open); it would be a way into another's call.
        """
        reservation = self._reserved.get(token)
        if reservation is None or reservation.leg is not leg:
            return -1, IPV4
        del self._reserved[token]
        return reservation.port, reservation.family

    def _reserve(self, port: int, family: int, leg: Leg, now: Now) -> bytes:
        token = self._entropy(8)
        self._reserved[token] = Reservation(port, family, leg, now.mono + RESERVATION_S)
        return token

    def _add(
        self,
        request: Request,
        leg: Leg,
        relayed: PeerAddress,
        outer: ServerAddress | None,
        now: Now,
    ) -> Allocation:
        lifetime = _lifetime(request.get(Attribute.LIFETIME))
        allocation = Allocation(request.client, leg, relayed, now.mono + lifetime)
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
            (Attribute.XOR_RELAYED_ADDRESS, allocation.relayed),
            (Attribute.LIFETIME, round(allocation.expires - now.mono)),
            (Attribute.XOR_MAPPED_ADDRESS, mapped),
        ]
        if allocation.reservation:
            attributes.append((Attribute.RESERVATION_TOKEN, allocation.reservation))
        if request.get(Attribute.ADDITIONAL_ADDRESS_FAMILY) is not None:
            attributes.append((Attribute.ADDRESS_ERROR_CODE, (IPV6, 440, "")))
        return request.success(*attributes)

    def _remember_departed(self, request: Request) -> None:
        self._departed[request.client] = request.message.transaction_id
        if len(self._departed) > _DEPARTED:
            self._departed.popitem(last=False)

    def _is_departed(self, request: Request) -> bool:
        return self._departed.get(request.client) == request.message.transaction_id


def _by_family(ips: tuple[bytes, ...]) -> dict[int, bytes]:
    return {IPV4 if len(ip) == 4 else IPV6: ip for ip in ips}


def _lifetime(requested: int | None) -> int:
    # RFC 8656 section 7.2: never less than the default, never more than the maximum.
    return min(max(requested or 0, DEFAULT_LIFETIME_S), MAXIMUM_LIFETIME_S)
