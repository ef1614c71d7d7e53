"""Opens every listener of the configuration, and says where clients find them."""

import asyncio
import ipaddress
import os
import ssl

from relay.address import ServerAddress, Transport
from relay.api.relay import turn_url
from relay.calls.rate import SourceRate
from relay.config import Listen, Settings, advertised
from relay.daemon.engine import Engine
from relay.errors import ConfigError, RelayError
from relay.forward.netlink import Netlink
from relay.forward.user.gate import Gate
from relay.forward.user.streams import Streams
from relay.forward.user.tcp import TcpListener
from relay.forward.user.udp import UdpListener


class Listeners:
    """All sockets that clients talk to."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._gate = Gate(engine, settings.limits.unauthenticated_per_s)
        self._udp: list[UdpListener] = []
        self._streams: list[TcpListener] = []
        rate = SourceRate(settings.limits.unauthenticated_per_s, os.urandom(32))
        self._shared = Streams(rate, engine.forwarder.descriptors)
        self._context = tls_context(settings) if _uses_tls(settings) else None
        self.urls: list[str] = []

    def open(self) -> None:
        """Bind everything. Raises: RelayError, naming the listener that could not be bound."""
        for listen in self._settings.listen:
            try:
                for address in _expand(listen):
                    self._open_one(listen, address)
            except OSError as error:
                raise RelayError(f"listen: {listen.url}: {error.strerror}") from None

    @property
    def udp_addresses(self) -> list[ServerAddress]:
        """Where the UDP listeners are bound."""
        return [udp.address for udp in self._udp]

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept traffic from now on."""
        for udp in self._udp:
            udp.start(loop)
        for stream in self._streams:
            await stream.start(loop)

    async def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept none any more."""
        for stream in self._streams:
            await stream.close()
        for udp in self._udp:
            udp.close(loop)

    def reload_certificate(self, settings: Settings) -> None:
        """Use what is in the files now for later connections. Raises: ConfigError.

        Settings without TLS count from the next start on, and name no files.
        """
        if self._context is not None and _uses_tls(settings):
            # A context of its own: loaded into the one before, a certificate with another kind of
            # key would stand beside the old one instead of replacing it.
            context = tls_context(settings)
            for stream in self._streams:
                if stream.context is not None:
                    stream.context = context

    def _open_one(self, listen: Listen, address: ServerAddress) -> None:
        engine, bound = self._engine, address
        if listen.transport is Transport.UDP:
            udp = UdpListener(address, engine, engine.tally, gate=self._gate)
            self._udp.append(udp)
            engine.forwarder.add_udp(udp)
            bound = udp.address
        else:
            context = self._context if listen.transport is Transport.TLS else None
            stream = TcpListener(address, engine, engine.tally, context, self._shared)
            self._streams.append(stream)
            engine.forwarder.add_stream(stream)
            bound = stream.address
        told = advertised(listen.address, self._settings.relay.addresses)
        if told is None:
            return
        url = turn_url(listen.transport.value, told.reveal()[0], bound.port)
        if url not in self.urls:
            self.urls.append(url)


def tls_context(settings: Settings) -> ssl.SSLContext:
    """A server context with the configured certificate. Raises: ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls.certificate, settings.tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls.certificate: {error.strerror or 'not usable'}") from None
    return context


def _uses_tls(settings: Settings) -> bool:
    return any(listen.transport is Transport.TLS for listen in settings.listen)


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
