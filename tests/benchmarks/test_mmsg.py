"""Batches of datagrams through sendmmsg and recvmmsg, over loopback."""

import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.mmsg import Slots

_SO_TIMESTAMPNS = 35


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A UDP socket connected to another, which stamps what it receives."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sender.connect(receiver.getsockname())
        yield sender, receiver


def test_slots_arrive_in_order_and_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    ready, received = Slots(8, 24), Slots(8, 24, timestamps=True)
    ready.data[:] = np.arange(8 * 24, dtype=np.uint8).reshape(8, 24)
    assert ready.send(sender.fileno(), 2, 5) == 5
    assert received.receive(receiver.fileno(), 1, 7) == 5
    assert (received.data[1:6] == ready.data[2:7]).all()
    assert not received.data[0].any()


def test_the_kernels_timestamps_lie_between_sending_and_reading(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    ready, received = Slots(3, 24), Slots(3, 24, timestamps=True)
    before = time.time_ns()
    ready.send(sender.fileno(), 0, 3)
    received.receive(receiver.fileno(), 0, 3)
    stamps = received.received_at_ns(3)
    assert (before <= stamps).all()
    assert (stamps <= time.time_ns()).all()


def test_slots_can_be_used_again_after_clearing(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    ready, received = Slots(1, 24), Slots(1, 24, timestamps=True)
    for _ in range(3):
        received.clear()
        ready.send(sender.fileno(), 0, 1)
        assert received.receive(receiver.fileno(), 0, 1) == 1
        assert received.received_at_ns(1)[0] > 0


def test_an_empty_socket_gives_none(pair: tuple[socket.socket, socket.socket]) -> None:
    assert Slots(4, 24).receive(pair[1].fileno(), 0, 4) == 0


def test_a_socket_that_fails_raises() -> None:
    with pytest.raises(OSError, match="mmsg"):
        Slots(1, 24).receive(-1, 0, 1)
