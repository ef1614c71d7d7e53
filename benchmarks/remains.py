"""What a relay has left behind when it is gone, so that none is measured with another's remains.

A filter of an earlier relay would forward the next one's packets; its pinned maps would be taken
over; a process of it would share the core.
"""

import json
from typing import Any

from benchmarks.topology import RELAY_ADDRESS, Topology
from relay.address import ServerAddress
from relay.forward.kernel.adoption import close_maps
from relay.forward.kernel.layout import MAPS
from relay.forward.kernel.program import pins_of
from tests.kit.namespaces import run_command

_SHARED_QDISC = "clsact"


class Contaminated(Exception):
    """A relay is gone and left something; the message says what."""


class Remains:
    """Compares the relay's namespace with what it is like now, before any relay.

    Args:
        topology: the namespaces, which exist.
    """

    def __init__(self, topology: Topology) -> None:
        self._namespace = topology.relay
        self._before = self._seen()

    def check(self, system: str) -> None:
        """Make sure that nothing is left.

        An empty clsact qdisc is taken away here: callveil leaves it to others who may have filters
        in it, and the next relay's packets would pass through it.

        Args:
            system: what ran, for the message.
        Raises: Contaminated.
        """
        if not self._filters():
            self._remove_shared_qdiscs()
        left = sorted(self._seen() - self._before)
        if left:
            raise Contaminated(f"{system} is gone and left behind: {', '.join(left)}")

    def _seen(self) -> set[str]:
        links = self._ask("ip", "-json", "link", "show")
        return {
            *self._pins(),
            *(f"process {pid}" for pid in self._namespace.processes()),
            *(f"XDP program on {link['ifname']}" for link in links if "xdp" in link),
            *(f"qdisc {qdisc['kind']} on {qdisc['dev']}" for qdisc in self._qdiscs()),
            *self._filters(),
        }

    def _pins(self) -> set[str]:
        """What a relay there would take over. Those of others on this host are theirs."""
        with self._namespace.entered():
            found = pins_of([ServerAddress.parse(RELAY_ADDRESS, 3478)]).find(MAPS)
        close_maps(found)
        return {f"pinned map {name}" for name in found}

    def _filters(self) -> set[str]:
        return {
            f"{entry['kind']} filter on {device} {side}"
            for device in {qdisc["dev"] for qdisc in self._qdiscs()}
            for side in ("ingress", "egress")
            for entry in self._ask("tc", "-json", "filter", "show", "dev", device, side)
        }

    def _qdiscs(self) -> list[dict[str, Any]]:
        return self._ask("tc", "-json", "qdisc", "show")

    def _remove_shared_qdiscs(self) -> None:
        for qdisc in self._qdiscs():
            if qdisc["kind"] == _SHARED_QDISC:
                command = ["tc", "-n", self._namespace.name, "qdisc", "del", "dev", qdisc["dev"]]
                run_command([*command, _SHARED_QDISC])

    def _ask(self, tool: str, *arguments: str) -> list[dict[str, Any]]:
        answer = run_command([tool, "-n", self._namespace.name, *arguments]).stdout
        listed: list[dict[str, Any]] = json.loads(answer or "[]")
        return listed
