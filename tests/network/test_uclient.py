"""coturn's own client, client to client through the daemon: thousands of messages, none lost."""

import re
from itertools import count

import pytest

from tests.kit.daemon import SECRET, Config
from tests.lab.relay import TLS_PORT, Relay
from tests.lab.topology import RELAY, Lab

# One username for both its clients, and so one user: what a signaling server without calls does.
# Its own client, over each transport: what it adds is the protocol, not the path.
PATHS = ("user",)
CONFIG: Config = {
    "relay": {"peers": "relay"},
    "limits": {
        "bitrate_bps": 1_000_000_000,
        "packets_per_s": 100_000,
        "unauthenticated_per_s": 1000,
    },
}

_CLIENTS, _MESSAGES_EACH = 2, 1000
_users = count()
_COUNTED = re.compile(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\s")
_LOST = re.compile(r"Total lost packets (\d+) .*total send dropped (\d+)")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="udp-channels"),
        pytest.param(["-s"], id="udp-indications"),
        pytest.param(["-D"], id="udp-padded"),
        pytest.param(["-t"], id="tcp-channels"),
        pytest.param(["-t", "-s"], id="tcp-indications"),
        pytest.param(["-t", "-S", "-p", str(TLS_PORT)], id="tls-channels"),
        pytest.param(["-t", "-S", "-s", "-p", str(TLS_PORT)], id="tls-indications"),
    ],
)
def test_no_message_of_coturns_client_is_lost(lab: Lab, relay: Relay, options: list[str]) -> None:
    before = _overflowed(lab)
    told = _run(lab, options)
    overflowed = _overflowed(lab) - before

    counted, lost = _COUNTED.findall(told)[-1], _LOST.findall(told)[-1]
    sent = _CLIENTS * _MESSAGES_EACH
    assert [int(number) for number in counted] == [sent, sent - overflowed]
    assert [int(number) for number in lost] == [overflowed, 0]
    assert relay.overflowed() == 0


def _overflowed(lab: Lab) -> int:
    """Datagrams that came to the client's host and were too many for its small buffer of 64 KiB."""
    lines = lab.caller.run(["cat", "/proc/net/snmp"]).stdout.splitlines()
    names, values = (line.split() for line in lines if line.startswith("Udp:"))
    return int(values[names.index("RcvbufErrors")])


def _run(lab: Lab, options: list[str]) -> str:
    """Run it to its end; returns what it told."""
    # 171 bytes: no multiple of four, so that streams need padding. 2 ms: 500 a second and client.
    load = ["-m", str(_CLIENTS), "-n", str(_MESSAGES_EACH), "-l", "171", "-z", "2", RELAY.v4]
    login = ["-W", SECRET, "-u", f"user-{next(_users)}"]
    return lab.caller.run(["turnutils_uclient", "-y", "-c", *login, *options, *load]).stdout
