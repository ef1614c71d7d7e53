"""USERHASH: the names that the relay knows, by the hashes that stand for them on the wire.

Rules of this file: a name cannot be found from its hash, so a client can use one only where the
relay has heard of its name before: the static users, and the names that the API has minted, until
they expire. Names that others mint with a shared secret are not among them, and so clients are
asked for hashes only where nobody else has the secret.
"""

from collections import OrderedDict
from collections.abc import Iterable

from relay.stun.credentials import userhash

MINTED = 65_536
"""Minted names that are remembered, the latest: some 330 bytes each."""

_LOOKS = 2  # at the oldest with each new one: they have one lifetime, so those expire first


class KnownNames:
    """
    Args:
        realm: part of every hash.
        users: names of static users.
        is_alone: nobody but this relay can mint; what it has minted is remembered then.
    """

    def __init__(self, realm: str, users: Iterable[str], *, is_alone: bool) -> None:
        self._realm = realm
        self._minted: OrderedDict[bytes, tuple[int, str]] = OrderedDict()
        self._forgotten_until = 0
        self.replace(users, is_alone=is_alone)

    def __len__(self) -> int:
        return len(self._static) + len(self._minted)

    def replace(self, users: Iterable[str], *, is_alone: bool) -> None:
        """These are the static users from now on, and so is who mints."""
        self._static = {userhash(name, self._realm): name for name in users}
        self._is_alone = is_alone
        if not is_alone:
            self._minted.clear()

    def are_all(self, wall: float) -> bool:
        """Whether every name that is good for an allocation now can be found by its hash."""
        return self._is_alone and self._forgotten_until <= wall

    def add(self, name: str, expiry: int, wall: float) -> None:
        """A name has been minted, which is good until then."""
        if not self._is_alone or expiry <= wall:
            return
        self._minted[userhash(name, self._realm)] = expiry, name
        for _ in range(_LOOKS):
            oldest, (until, _name) = next(iter(self._minted.items()))
            if until > wall and len(self._minted) <= MINTED:
                return
            del self._minted[oldest]
            self._forgotten_until = max(self._forgotten_until, until)

    def find(self, hashed: bytes) -> str | None:
        """The name that a hash stands for; None for one that the relay does not know."""
        minted = self._minted.get(hashed)
        return minted[1] if minted is not None else self._static.get(hashed)
