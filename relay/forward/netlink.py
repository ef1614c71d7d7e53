"""Questions to the kernel about links, addresses, routes and filters (rtnetlink).

Rules of this file: nothing is changed, only asked; one request on a connected socket is answered
before `send` returns, so nothing here waits. At thousands of calls per second a question has to
cost microseconds: the libraries for it take a millisecond each.
"""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # rtattr
_ROUTE = struct.Struct("=8BI")  # rtmsg
_LINK = struct.Struct("=BxHiII")  # ifinfomsg
_ADDRESS = struct.Struct("=4BI")  # ifaddrmsg
_FILTER = struct.Struct("=BxHiIII")  # tcmsg

_ERROR, _DONE = 2, 3
_REQUEST, _DUMP = 0x1, 0x300
_GET_LINK, _GET_ADDRESS, _GET_ROUTE, _GET_FILTER = 18, 22, 26, 46
_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_METRICS = 1, 2, 4, 8
_RTAX_MTU = 2
_RTM_F_CLONED = 0x200  # with strict checks: what ICMP has taught, and no other routes
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_IFLA_IFNAME, _IFLA_MTU = 3, 4
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_TCA_KIND = 1
_INGRESS = 0xFFFFFFF2  # of the qdisc clsact
_ARPHRD_ETHER, _ARPHRD_LOOPBACK = 1, 772

_GROUPS = (1, 5, 7, 8, 9, 11, 19)
"""RTNLGRP_: links, then addresses, routes and rules of IPv4 and of IPv6."""

ADDRESS_GROUPS = (5, 9)
"""Of these the addresses alone."""

_BUFFER = 1 << 16


class Link(NamedTuple):
    """An interface. `has_ethernet`: packets on it begin with an Ethernet header."""

    ifindex: int
    name: str
    mtu: int
    has_ethernet: bool


class NextHop(NamedTuple):
    """The way to an address: the interface, and the path MTU; 0 where nothing is known but the
    interface's.
    """

    ifindex: int
    mtu: int


class Netlink:
    """One socket for questions. Raises: OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._sequence = 0

    def links(self) -> list[Link]:
        """Every interface."""
        found = []
        for message in self._dump(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0)):
            _, kind, ifindex, *_ = _LINK.unpack_from(message)
            attributes = _attributes(message[_LINK.size :])
            name = attributes[_IFLA_IFNAME].rstrip(b"\0").decode()
            mtu = int.from_bytes(attributes[_IFLA_MTU], "little")
            ethernet = kind in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK)
            found.append(Link(ifindex, name, mtu, ethernet))
        return found

    def addresses(self) -> dict[bytes, int]:
        """Every address of this host, packed, and the index of the interface that carries it."""
        found = {}
        for message in self._dump(_GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0)):
            *_, ifindex = _ADDRESS.unpack_from(message)
            attributes = _attributes(message[_ADDRESS.size :])
            local = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
            if local is not None:
                found[local] = ifindex
        return found

    def filters(self, ifindex: int, priority: int) -> list[int]:
        """The handles of the BPF filters of one priority at an interface's ingress."""
        request = _FILTER.pack(0, 0, ifindex, 0, _INGRESS, 0)
        found = []
        for message in self._dump(_GET_FILTER, request):
            *_, handle, _, information = _FILTER.unpack_from(message)
            kind = _attributes(message[_FILTER.size :]).get(_TCA_KIND)
            if handle and information >> 16 == priority and kind == b"bpf\0":
                found.append(handle)
        return found

    def next_hop(self, target: bytes, source: bytes) -> NextHop | None:
        """Ask which way a packet from `source` to `target` goes; None if it goes nowhere.

        Args:
            target, source: packed addresses of one family; source is this host's.
        """
        family = socket.AF_INET if len(target) == 4 else socket.AF_INET6
        bits = len(target) * 8
        body = _ROUTE.pack(family, bits, bits, 0, 0, 0, 0, 0, 0)
        body += _attribute(_RTA_DST, target) + _attribute(_RTA_SRC, source)
        self._send(_GET_ROUTE, _REQUEST, body)
        kind, message = self._answers()[0]
        if kind == _ERROR:
            return None
        return _next_hop(message)

    def path_mtus(self) -> Iterator[set[tuple[bytes, int]]]:
        """Addresses, packed, to which ICMP has told this host a path MTU, and that MTU: some at a
        time. Nothing else is asked on this socket meanwhile.
        """
        for family in (socket.AF_INET, socket.AF_INET6):
            request = _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, _RTM_F_CLONED)
            for messages in self._dump_by_parts(_GET_ROUTE, request):
                routes = [_attributes(message[_ROUTE.size :]) for message in messages]
                yield {(route[_RTA_DST], _mtu(route)) for route in routes if _RTA_DST in route}

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        size = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(size, kind, flags, self._sequence, 0) + body)

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        """Everything there is."""
        return [message for part in self._dump_by_parts(kind, body) for message in part]

    def _dump_by_parts(self, kind: int, body: bytes) -> Iterator[list[bytes]]:
        """Everything there is, in parts of some 32 KiB; to the end, since the kernel begins no
        other dump before.
        """
        self._send(kind, _REQUEST | _DUMP, body)
        is_done = False
        while not is_done:
            part: list[bytes] = []
            for answer, message in self._answers():
                if answer == _ERROR:
                    number = -struct.unpack_from("=i", message)[0]
                    raise OSError(number, os.strerror(number))
                if answer == _DONE:
                    is_done = True
                    break
                part.append(message)
            yield part

    def _answers(self) -> list[tuple[int, bytes]]:
        """The next answers to the latest request; what is left of one before is passed over."""
        while True:
            answers = [
                (kind, message)
                for kind, sequence, message in _messages(self._socket.recv(_BUFFER))
                if sequence == self._sequence
            ]
            if answers:
                return answers


class Changes:
    """Tells that links, addresses, routes or rules have changed. Raises: OSError.

    Args:
        groups: of which of them, as `_GROUPS`.
    """

    def __init__(self, groups: Sequence[int] = _GROUPS) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._socket.bind((0, sum(1 << group - 1 for group in groups)))

    def fileno(self) -> int:
        """Readable when something has changed."""
        return self._socket.fileno()

    def drain(self) -> bool:
        """Take every message there is. Returns: whether there was one; not so once closed."""
        changed = False
        while self._socket.fileno() >= 0:
            try:
                self._socket.recv(_BUFFER)
            except BlockingIOError:
                return changed
            except OSError:  # ENOBUFS: there were more than fitted
                pass
            changed = True
        return changed

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _next_hop(message: bytes) -> NextHop | None:
    if _ROUTE.unpack_from(message)[7] not in (_RTN_UNICAST, _RTN_LOCAL):
        return None
    attributes = _attributes(message[_ROUTE.size :])
    return NextHop(int.from_bytes(attributes[_RTA_OIF], "little"), _mtu(attributes))


def _mtu(route: dict[int, bytes]) -> int:
    metrics = _attributes(route.get(_RTA_METRICS, b""))
    return int.from_bytes(metrics.get(_RTAX_MTU, b""), "little")


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, sequence number and body of each."""
    at = 0
    while at < len(datagram):
        size, kind, _, sequence, _ = _HEADER.unpack_from(datagram, at)
        yield kind, sequence, datagram[at + _HEADER.size : at + size]
        at += size + 3 & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        found[kind] = data[at + _ATTRIBUTE.size : at + size]
        at += size + 3 & ~3
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value
