"""What the TURN server asks of whoever knows the calls."""

from typing import Protocol

from relay.clock import Now


class Grant(Protocol):
    """Leave for one leg to allocate, as the calls stand now.

    `open`: data may cross (the call is not ringing). `masked`: the leg's own mapped address is kept
    from it as well. `closed`: siblings only, even where the relay's `peers` is wider.
    `half_relayed`: a masked leg's siblings include the own address of the one party that is not
    masked. `expires`: monotonic seconds at which the call ends. The two caps apply to what the leg
    sends.
    """

    @property
    def open(self) -> bool: ...
    @property
    def masked(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    @property
    def half_relayed(self) -> bool: ...
    @property
    def expires(self) -> float: ...
    @property
    def bitrate_bps(self) -> int: ...
    @property
    def packets_per_s(self) -> int: ...


class Calls(Protocol):
    """The calls, as the TURN server sees them."""

    def admit(self, call: str, leg: str, now: Now) -> Grant:
        """Decide whether this leg of this call may allocate.

        Raises: Rejected 403 (no such call or leg, or it has ended) or 486 (too many legs).
        """
        ...
