"""Allocate and Refresh: RFC 8656 sections 7.2 and 8.2."""

from collections import OrderedDict

from relay.address import IPV4, IPV6, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.book import Book
from relay.calls.call import Leg
from relay.clock import Now
from relay.effects import CallCreated, Effect, LegConnected, SetLeg
from relay.errors import Rejected
from relay.stun.attributes import Attribute, Pair
from relay.turn.allocation import Allocation, remember_own
from relay.turn.alternate import alternate_for
from relay.turn.drawing import Drawing
from relay.turn.families import FAMILIES, check_families, default_family
from relay.turn.lifetimes import Lifetimes
from relay.turn.names import Name, UserName
from relay.turn.outer import OuterPort
from relay.turn.quotas import Quotas
from relay.turn.request import Request
from relay.turn.routes import routes_of
from relay.turn.settings import TurnSettings
from relay.turn.table import Table

DEFAULT_LIFETIME_S = 600  # RFC 8656 section 7.2
MAXIMUM_LIFETIME_S = 3600  # as recommended there

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
        drawing: Drawing,
    ) -> None:
        self._settings = settings
        self._table = table
        self._lifetimes = lifetimes
        self._book = book
        self._quotas = Quotas(settings, table, book)
        self._drawing = drawing
        self._families = {IPV4 if len(ip) == 4 else IPV6 for ip in settings.relayed_ips}
        self._relay_ips = frozenset(settings.relayed_ips + settings.local_ips)
        self._departed: OrderedDict[FiveTuple, bytes] = OrderedDict()

    def on_allocate(self, request: Request, now: Now) -> list[Effect]:
        """Give a client a relayed address of its own.

        Where its leg is at its limit, the oldest of its allocations that carries nothing gives way.

        Returns: the call where it is new, the leg's caps, then the answer. Of a user's allocation
            nothing but the caps is told.
        Raises: Rejected 400, 401, 403, 437, 440, 442, 486 or 508. Nothing else.
        Spec: RFC 8656 section 7.2, its checks in its order.
        """
        if request.held is not None:
            return self._answer_again(request, request.held, now)
        name = request.credential.name
        if name.expiry < now.wall:
            raise Rejected(401)
        self._check_transport(request)
        even = request.get(Attribute.EVEN_PORT)
        token = request.get(Attribute.RESERVATION_TOKEN)
        asked = check_families(request, self._families, even, has_token=token is not None)
        expires = now.mono + _lifetime(request.get(Attribute.LIFETIME))
        ports = 2 if even is True else 0 if token is not None else max(len(asked), 1)
        oldest = self._quotas.check(name, ports, now)
        try:
            leg = self._admit(name, now)
        except Rejected as rejected:
            return self._send_away(request, rejected)
        families = asked or (default_family(leg.call, request.client.server, self._families),)
        drawn = [self._drawing.draw(leg, family, even, token, now) for family in families]
        added = [self._add(request, leg, *each, expires) for each in drawn if each is not None]
        if not added:
            return self._refuse(request, leg, now)
        allocation = added[0]
        if even is True:
            allocation.reservation = self._drawing.reserve_after(allocation.relayed, leg, now)
        shown = remember_own(leg, request.client.client.packed, self._relay_ips)
        routes = [route for own in shown for route in routes_of(own, now, only_new=True)]
        for own in shown:
            self._lifetimes.schedule(own.port.of)
        return [
            *self._admitted(leg, request.client.transport),
            *(effect for side in added for effect in self._metered(side)),
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

    def _admit(self, name: Name, now: Now) -> Leg:
        if isinstance(name, UserName):
            return self._book.admit_user(name.user, now)
        return self._book.admit(name.call, name.leg, now)

    def _send_away(self, request: Request, rejected: Rejected) -> list[Effect]:
        """A leg is not admitted; where that is because the relay drains, another one may take it.

        Raises: Rejected, where there is no other.
        """
        is_draining = rejected.code == 508
        alternates = self._book.rules.alternates if is_draining else ()
        elsewhere = alternate_for(request.client, alternates)
        if not elsewhere:
            raise rejected
        return request.failure(300, *elsewhere)

    def _refuse(self, request: Request, leg: Leg, now: Now) -> list[Effect]:
        """No port is left for a leg that has been admitted."""
        if not leg.held:
            self._book.release(leg, now)  # nobody has heard of it
        return request.failure(508)

    def _admitted(self, leg: Leg, transport: Transport) -> list[Effect]:
        """A leg holds an allocation; a credential may have begun its call with it."""
        caps = SetLeg(leg.key, leg.call.bitrate_bps, self._book.rules.packets_per_s)
        if leg.call.is_user:
            leg.is_metered = True
            return [caps]
        is_first = not any(each.is_metered for each in leg.call.legs)
        leg.is_metered = True
        connected: list[Effect] = [caps, LegConnected(leg.key, transport)]
        if is_first and not leg.call.is_registered:
            return [CallCreated(leg.call.id, is_ringing=False), *connected]
        return connected

    def _metered(self, allocation: Allocation) -> list[Effect]:
        """Whatever comes to it from outside of the relay is charged to a leg of its own: that of
        each media server of its call, which may send as much to every party as a party may send.
        """
        call, rules = allocation.leg.call, self._book.rules
        outside = allocation.outer.outside if allocation.outer is not None else None
        legs = call.media_servers if outside is None or outside.leg is None else [outside.leg]
        new = [leg for leg in legs if not leg.is_metered]
        for leg in new:
            leg.is_metered = True
        times = rules.legs_per_call if new and new[0].listed is not None else 1
        return [
            SetLeg(leg.key, times * call.bitrate_bps, times * rules.packets_per_s) for leg in new
        ]

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
        allocation.name = request.credential.name
        allocation.key = request.credential.key
        allocation.transaction_id = request.message.transaction_id
        if outer is not None:
            outside = self._drawing.outsides.of(leg, outer.port)
            allocation.outer = OuterPort(outer, allocation, outside)
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
                    code = 440 if family not in self._families else 508
                    attributes.append((Attribute.ADDRESS_ERROR_CODE, (family, code, "")))
        return request.success(*attributes)

    def _remember_departed(self, request: Request) -> None:
        self._departed[request.client] = request.message.transaction_id
        if len(self._departed) > _DEPARTED:
            self._departed.popitem(last=False)

    def _is_departed(self, request: Request) -> bool:
        return self._departed.get(request.client) == request.message.transaction_id


def _lifetime(requested: int | None) -> int:
    # RFC 8656 section 7.2: never less than the default, never more than the maximum.
    return min(max(requested or 0, DEFAULT_LIFETIME_S), MAXIMUM_LIFETIME_S)
