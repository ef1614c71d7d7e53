"""The IP of every relayed address, one per family, as the program has it for indications."""

from relay.address import IPV4, IPV6, PeerAddress
from relay.effects import Via
from relay.forward.kernel.layout import CONFIG, mapped
from relay.forward.kernel.maps import Array

_UNKNOWN = bytes(16)


class RelayedIps:
    """Learnt from the first route of a family that has indications.

    Args:
        config: the map `config`.
        keep: an earlier daemon's routes are there, and go by what it knew.
    """

    def __init__(self, config: Array, keep: bool) -> None:
        self._memory = config.memory
        self._at = {
            family: slice(CONFIG.offsets[field], CONFIG.offsets[field] + 16)
            for family, field in ((IPV4, "relayed4"), (IPV6, "relayed6"))
        }
        if not keep:
            for at in self._at.values():
                self._memory[at] = _UNKNOWN

    def has(self, channel: Via) -> bool:
        """Whether the program can know this peer. A channel is none, and no obstacle."""
        return not isinstance(channel, PeerAddress) or self._is_peer(channel)

    def _is_peer(self, peer: PeerAddress) -> bool:
        at, ip = self._at[peer.family], mapped(peer.packed)
        if self._memory[at] == _UNKNOWN:
            self._memory[at] = ip
        return self._memory[at] == ip
