"""Opens every listener of the configuration, and says where clients find them."""

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Sequence

from relay.address import ServerAddress, Transport
from relay.api.relay import turn_url
from relay.calls.rate import SourceRate
from relay.config import Listen, Settings, advertised
from relay.daemon.engine import Engine
from relay.errors import RelayError
from relay.forward.listener import Listener
from relay.forward.netlink import Netlink
from relay.forward.user.gate import Gate
from relay.forward.user.streams import Streams
from relay.forward.user.tcp import TcpListener
from relay.forward.user.udp import UdpListener


class Listeners:
    """All sockets that clients talk to.

    Args:
        context: what tls:// listeners begin with; None where there is no such listener.
    """

    def __init__(self, settings: Settings, engine: Engine, context: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._engine = engine
        self._gate = Gate(engine, settings.limits.unauthenticated_per_s)
        self._listeners: list[Listener] = []
        self._tls: list[TcpListener] = []
        rate = SourceRate(settings.limits.unauthenticated_per_s, os.urandom(32))
        balancers = settings.proxy_protocol.networks
        self._shared = Streams(rate, engine.forwarder.descriptors, balancers)
        self._context = context
        self._told: list[tuple[Transport, str, int]] = []

    def open(self) -> None:
        """Bind everything. Raises: RelayError, naming the listener that could not be bound."""
        for listen in self._settings.listen:
            try:
                for address in _expand(listen):
                    self._add(listen, self._open(listen.transport, address))
            except OSError as error:
                raise RelayError(f"listen: {listen.url}: {error.strerror}") from None

    @property
    def udp_addresses(self) -> list[ServerAddress]:
        """Where the UDP listeners are bound."""
        return [each.address for each in self._listeners if Transport.UDP in each.transports]

    def urls(self, names: Sequence[str]) -> tuple[str, ...]:
        """Where clients find each listener, in the order of the configuration.

        Args:
            names: host names, each of which is told in place of numeric addresses.
        """
        urls = (
            turn_url(transport.value, host, port)
            for transport, number, port in self._told
            for host in names or (number,)
        )
        return tuple(dict.fromkeys(urls))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept traffic from now on."""
        for listener in self._listeners:
            listener.start(loop)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept none any more."""
        for listener in self._listeners:
            listener.close(loop)

    def show(self, context: ssl.SSLContext) -> None:
        """Use another certificate for later connections."""
        for listener in self._tls:
            listener.context = context

    def _open(self, transport: Transport, address: ServerAddress) -> Listener:
        engine = self._engine
        if transport is Transport.UDP:
            return UdpListener(address, engine, engine.tally, gate=self._gate)
        context = self._context if transport is Transport.TLS else None
        listener = TcpListener(address, engine, engine.tally, context, self._shared)
        if context is not None:
            self._tls.append(listener)
        return listener

    def _add(self, listen: Listen, listener: Listener) -> None:
        self._listeners.append(listener)
        self._engine.forwarder.add(listener)
        told = advertised(listen.address, self._settings.relay.addresses)
        if told is None:
            return
        self._told.append((listen.transport, told.reveal()[0], listener.address.port))


def _expand(listen: Listen) -> list[ServerAddress]:
    """One address per listener; a UDP wildcard is every address this host has now.

    A wildcard socket would answer from whichever address the kernel prefers, and a client takes no
    answer from an address that it did not ask. Raises: OSError.
    """
    address = listen.address
    if listen.transport is not Transport.UDP or any(address.packed):
        return [address]
    netlink = Netlink()
    try:
        found = [packed for packed in netlink.addresses() if len(packed) == len(address.packed)]
    finally:
        netlink.close()
    return [
        ServerAddress(packed, address.port)
        for packed in found
        if not ipaddress.ip_address(packed).is_link_local
    ]
