"""Both parties of a call at a daemon, and whether they hear each other."""

import select

from relay.stun.message import Method
from tests.kit import wire
from tests.kit.daemon import Config, Daemon
from tests.kit.polling import PATIENCE_S
from tests.kit.sockets import TurnClient

CHANNEL = 0x4321


def joined(daemon: Daemon, call: Config, url: str = "") -> tuple[TurnClient, TurnClient]:
    """Both parties of a call, with an allocation and a channel to the other each."""
    alice, bob = daemon.party(call, "alice", url), daemon.party(call, "bob", url)
    join(alice, bob)
    return alice, bob


def join(alice: TurnClient, bob: TurnClient) -> None:
    """Let both have an allocation and a channel to the other."""
    for client in (alice, bob):
        assert client.allocate().code == 0
    for client, other in ((alice, bob), (bob, alice)):
        assert client.bind(CHANNEL, other.relayed) == 0


def hears(sender: TurnClient, receiver: TurnClient, data: bytes) -> bool:
    """Whether what one party sends on its channel reaches the other."""
    sender.send_on(CHANNEL, data)
    return receiver.receive(PATIENCE_S) == wire.channel_data(CHANNEL, data)


def has_heard_nothing(sender: TurnClient, receiver: TurnClient) -> bool:
    """Whether nothing has reached the receiver of what was sent before.

    Both ask something that is answered in any case, one after the other: what the daemon might have
    sent in between had come before the answers.
    """
    for client in (sender, receiver):
        client.request(Method.REFRESH, wire.lifetime(600))
    return not receiver.inbox and not select.select([receiver.sock], [], [], 0)[0]
