"""Sockets of the relay, and socket addresses as the kernel writes them.

Every datagram leaves with header fields of the relay's own: hop limit 64, traffic class 0, flow
label 0, DF set and so IP-ID 0. What does not fit the path whole leaves in fragments that this host
makes, by the path MTU that it knows. Nothing of the sender's host shows through.
"""

import ctypes
import errno
import socket
import struct
import sys
from contextlib import suppress

from relay.address import IPV4, Address, ClientAddress, ServerAddress
from relay.stun.demux import CHANNELS
from relay.stun.indications import SEND

HOP_LIMIT = 64
BACKLOG = 4096  # as many as Linux allows where nobody has said otherwise
"""Connections of one TCP listener that wait to be accepted."""
_UNSENT_BYTES = 64 * 1024  # in the kernel, per TCP client, besides what is on its way

# Linux's numbers, which the socket module of Python 3.11 does not name.
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_PMTUDISC_DONT, _PMTUDISC_DO = 0, 2
_IPV6_AUTOFLOWLABEL = 70

_SO_ATTACH_REUSEPORT_CBPF = 51
_SFILTER = struct.Struct("=HBBI")  # struct sock_filter: code, where to go if so, if not, operand
_SOCK_FPROG = struct.Struct("@HP")

_LOAD_BYTE, _LOAD_UINT16, _IF_AT_LEAST, _IF_EQUAL, _RETURN = 0x30, 0x28, 0x35, 0x15, 0x06
_MEDIA_OR_NOT = (
    (_LOAD_BYTE, 0, 0, 0),
    (_IF_AT_LEAST, 4, 0, CHANNELS.stop),  # neither STUN nor ChannelData
    (_IF_AT_LEAST, 2, 0, CHANNELS.start),  # ChannelData
    (_LOAD_UINT16, 0, 0, 0),
    (_IF_EQUAL, 0, 1, int.from_bytes(SEND)),
    (_RETURN, 0, 0, 0),  # the first socket's; so is what is too short to be loaded
    (_RETURN, 0, 0, 1),  # the second's
)
"""A program of classic BPF over a UDP payload, which returns the number of a socket."""

_SOCKADDR_IN = struct.Struct("=H2s4s8x")
_SOCKADDR_IN6 = struct.Struct("=H2s4x16s4x")


def family_of(address: Address) -> socket.AddressFamily:
    """AF_INET or AF_INET6."""
    return socket.AF_INET if address.family == IPV4 else socket.AF_INET6


def pack(address: Address) -> bytes:
    """A `struct sockaddr_in` (16 bytes) or `sockaddr_in6` (28), as recvmmsg fills it in."""
    layout = _SOCKADDR_IN if address.family == IPV4 else _SOCKADDR_IN6
    return layout.pack(family_of(address), address.port.to_bytes(2), address.packed)


def unpack(name: bytes) -> ClientAddress:
    """The client a `struct sockaddr_in` or `sockaddr_in6` names."""
    layout = _SOCKADDR_IN if len(name) == _SOCKADDR_IN.size else _SOCKADDR_IN6
    _, port, packed = layout.unpack(name)
    return ClientAddress(packed, int.from_bytes(port))


def pack_name(name: tuple[str, int]) -> bytes:
    """Pack an address of the socket module, without flow label and scope."""
    return pack(ClientAddress.parse(*name[:2]))


def unpack_name(name: bytes) -> tuple[str, int]:
    """Unpack a socket address into what the socket module takes."""
    return unpack(name).reveal()


def bound_address(sock: socket.socket) -> ServerAddress:
    """Read where a socket is bound, with the port that the kernel chose."""
    host, port = sock.getsockname()[:2]
    return ServerAddress.parse(host, port)


def open_udp(address: ServerAddress, buffer_bytes: int) -> socket.socket:
    """Open and bind a non-blocking UDP socket that queues so much each way. Raises: OSError."""
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    try:
        _normalise(sock)
        _enlarge(sock, buffer_bytes)
        sock.setblocking(False)
        sock.bind(address.reveal())
    except BaseException:
        sock.close()
        raise
    return sock


def open_beside(sock: socket.socket, buffer_bytes: int) -> socket.socket | None:
    """Open a second UDP socket on the address of the first, which gets all that is no media.

    So a flood of requests, forged ones too, fills a queue of its own and loses only requests.

    Returns: None where the system does not tell them apart; the first gets everything then.
    """
    if not sys.platform.startswith("linux"):
        return None
    beside = socket.socket(sock.family, socket.SOCK_DGRAM)
    try:
        # Set now that the first is bound: nobody could have shared its port. A program of the same
        # user could from now on, and would get nothing: the kernel chooses between these two.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _normalise(beside)
        _enlarge(beside, buffer_bytes)
        beside.setblocking(False)
        beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        beside.bind(sock.getsockname()[:2])
        _tell_apart(sock)
    except OSError:
        with suppress(OSError):  # where there is no such option
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        beside.close()
        return None
    return beside


def send(sock: socket.socket, datagram: bytes | memoryview, name: tuple[str, int]) -> bool:
    """Send a datagram of `open_udp`'s socket, in fragments where it does not fit the path whole.

    Returns: whether the kernel took it; a full queue loses it, as UDP does.
    """
    number = _try_to_send(sock, datagram, name)
    return not number or (number == errno.EMSGSIZE and _send_in_fragments(sock, datagram, name))


def send_whole(sock: socket.socket, datagram: bytes, name: tuple[str, int]) -> bool:
    """Send a datagram of `open_udp`'s socket, with DF set.

    Returns: whether the kernel took it; it does not where it knows a path MTU that is too small.
    """
    return not _try_to_send(sock, datagram, name)


def _try_to_send(sock: socket.socket, datagram: bytes | memoryview, name: tuple[str, int]) -> int:
    """Send with DF set. Returns: the number of the error; 0 where the kernel took it.

    What failed may be another datagram, whose error the kernel reports first where errors are
    asked for (`relay.forward.user.icmp`): this one is tried again.
    """
    number = 0
    for _ in range(2):
        try:
            sock.sendto(datagram, name)
        except OSError as error:
            number = error.errno or errno.EIO
            if number == errno.EAGAIN:
                break
        else:
            return 0
    return number


def can_set_df() -> bool:
    """Whether this system sets DF, as `open_udp` asks for: RFC 8656 section 14."""
    return sys.platform.startswith("linux")


def _send_in_fragments(
    sock: socket.socket, datagram: bytes | memoryview, name: tuple[str, int]
) -> bool:
    """Send with DF clear and an IP-ID that is this host's own: RFC 8656 section 14."""
    try:
        sock.setsockopt(*_mtu_discovery(sock, _PMTUDISC_DONT))
        try:
            sock.sendto(datagram, name)
        finally:
            sock.setsockopt(*_mtu_discovery(sock, _PMTUDISC_DO))
    except OSError:
        return False
    return True


def open_tcp(address: ServerAddress) -> socket.socket:
    """Open a non-blocking TCP socket that listens at once, to own the port. Raises: OSError."""
    sock = socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Accepted sockets inherit it. Without it the kernel takes megabytes that a slow reader
        # would get seconds late.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        sock.setblocking(False)
        sock.bind(address.reveal())
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _normalise(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOP_LIMIT)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0)
        options = []
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, HOP_LIMIT)
        options = [
            (socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0),
            (socket.IPPROTO_IPV6, _IPV6_AUTOFLOWLABEL, 0),
        ]
    for level, option, value in (*options, _mtu_discovery(sock, _PMTUDISC_DO)):
        with suppress(OSError):  # not every system that the path is developed on has them
            sock.setsockopt(level, option, value)


def _tell_apart(sock: socket.socket) -> None:
    """Have the kernel choose between the sockets of this address by the program."""
    steps = b"".join(_SFILTER.pack(*step) for step in _MEDIA_OR_NOT)
    program = ctypes.create_string_buffer(steps, len(steps))
    head = _SOCK_FPROG.pack(len(_MEDIA_OR_NOT), ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, head)


def _mtu_discovery(sock: socket.socket, value: int) -> tuple[int, int, int]:
    if sock.family == socket.AF_INET:
        return socket.IPPROTO_IP, _IP_MTU_DISCOVER, value
    return socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, value


def _enlarge(sock: socket.socket, buffer_bytes: int) -> None:
    """Take a large buffer: beyond the system's limit where we may, else as large as it allows."""
    for force, plain in (
        (_SO_RCVBUFFORCE, socket.SO_RCVBUF),
        (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
    ):
        try:
            sock.setsockopt(socket.SOL_SOCKET, force, buffer_bytes)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, plain, buffer_bytes)
