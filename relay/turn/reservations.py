"""Reserved ports: the upper one of an EVEN-PORT pair, until it is claimed. RFC 8656 section 7.2."""

from relay.calls.call import Leg
from relay.calls.deadlines import Deadlines, Timed
from relay.calls.pool import RESERVATION_S, Entropy, Pool
from relay.clock import Now


class Reservation(Timed):
    """A port that is kept for the leg that asked for it."""

    __slots__ = ("expires", "family", "leg", "pool", "port", "token")

    def __init__(
        self, token: bytes, pool: Pool, port: int, family: int, leg: Leg, expires: float
    ) -> None:
        super().__init__()
        self.token = token
        self.pool = pool
        self.port = port
        self.family = family
        self.leg = leg
        self.expires = expires

    def deadline(self) -> float:
        """When it runs out."""
        return self.expires


class Reservations:
    """All reserved ports of the relay, by their tokens.

    Deviates: a token is good for the leg or user that asked for it and for nobody else who knows
    it (RFC 8656 section 7.2 leaves that open); it would be a way into another's call.
    """

    def __init__(self, deadlines: Deadlines, entropy: Entropy) -> None:
        self._deadlines = deadlines
        self._entropy = entropy
        self._reserved: dict[bytes, Reservation] = {}

    def reserve(self, leg: Leg, pool: Pool, port: int, family: int, now: Now) -> bytes:
        """Keep a port for a leg. Returns: the token to claim it with."""
        token = self._entropy(8)
        reservation = Reservation(token, pool, port, family, leg, now.mono + RESERVATION_S)
        self._reserved[token] = reservation
        self._deadlines.schedule(reservation)
        return token

    def claim(self, token: bytes, leg: Leg) -> Reservation | None:
        """Take what was reserved for this leg, or for its user; None where nothing is."""
        reservation = self._reserved.get(token)
        if reservation is None or not _is_same(reservation.leg, leg):
            return None
        del self._reserved[token]
        self._deadlines.forget(reservation)
        return reservation

    def lapse(self, reservation: Reservation, now: Now) -> None:
        """Nobody has claimed it: give the port back."""
        del self._reserved[reservation.token]
        reservation.pool.release(reservation.port, now.mono)


def _is_same(one: Leg, other: Leg) -> bool:
    return one is other or (one.call.is_user and one.call is other.call)
