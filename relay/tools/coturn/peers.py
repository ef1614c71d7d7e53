"""Whom clients may reach: coturn's lists, as `relay.denied_peers` and `relay.allow_private`."""

from typing import Any

from relay.special_use import NOWHERE, SPECIAL_USE
from relay.tools.coturn import ranges
from relay.tools.coturn.ranges import Range
from relay.tools.coturn.reading import Reading

_RANGE = "expected an address, or LOW-HIGH"


def peers(reading: Reading) -> dict[str, Any]:
    """The keys of `relay` that say whom clients may reach, beside `peers: any`, or in its place.

    What coturn allows it allows whatever else it denies. callveil denies every special-use range as
    well, but for what is allowed in it.
    """
    allowed, denied = _allowed(reading), _denied(reading)
    found: dict[str, Any] = {}
    if "denied-peer-ip" in reading.refused:
        found["peers"] = "relay"
        reading.say(
            "relay.peers: relay, so that nobody outside is reached, since a denied range cannot be "
            "read; write it into relay.denied_peers, and set any"
        )
    if private := ranges.within(allowed, SPECIAL_USE):
        found["allow_private"] = ranges.networks_of(private)
    by_default = ranges.whole([*SPECIAL_USE, *NOWHERE])
    if more := ranges.without(denied, [*allowed, *by_default]):
        found["denied_peers"] = ["default", *ranges.networks_of(more)]
    if ranges.without(ranges.whole(SPECIAL_USE), [*denied, *allowed]):
        reading.say(
            "relay.denied_peers: every special-use network is denied, those that the file does not "
            "name as well; put private ones that clients must reach into relay.allow_private"
        )
    return found


def _allowed(reading: Reading) -> list[Range]:
    found = []
    for line in reading.lines("allowed-peer-ip"):
        each = ranges.parse(line.value)
        if each is None:
            reading.refuse(line, _RANGE)
        elif ranges.within([each], NOWHERE):
            reading.refuse(line, "loopback, link-local, multicast and the like are no peers")
        else:
            found.append(each)
    return found


def _denied(reading: Reading) -> list[Range]:
    found = []
    for line in reading.lines("denied-peer-ip"):
        each = ranges.parse(line.value)
        if each is None and (each := ranges.parse_network(line.value)):
            reading.say("carried over as the network that it is; coturn ignores it", line)
        if each is None:
            reading.refuse(line, _RANGE)
        else:
            found.append(each)
    return found
