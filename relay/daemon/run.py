"""Runs the daemon: the only place that wires everything, and the only one that reads clocks.

It binds, then says `ready`. SIGTERM drains and a second one stops; SIGINT stops; SIGHUP reloads.
"""

import asyncio
import gc
import logging
import os
import signal
import time
from operator import attrgetter
from pathlib import Path

import uvloop

from relay import logs
from relay.api.relay import ControlSettings, stun_urls
from relay.clock import Now
from relay.config import Settings, load
from relay.config.settings import Peers
from relay.daemon import files, privileges
from relay.daemon.certificates import Certificates
from relay.daemon.engine import Engine
from relay.daemon.fastpath import close_fastpath, follow, open_fastpath
from relay.daemon.http import bind_api, make_api
from relay.daemon.listeners import Listeners
from relay.daemon.serving import url_of
from relay.daemon.settings import rules_of, server_settings_of, users_of
from relay.errors import ConfigError, RelayError
from relay.forward.own_addresses import OwnAddresses

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_RESTART = (
    "realm",
    "listen",
    *("relay.addresses", "relay.ports", "relay.peers", "relay.denied_peers"),
    "ports",
    "privacy.mask_mapped_address",
    "privacy.stun_binding",
    *("limits.allocations_per_leg", "limits.allocations_per_user"),
    "limits.unauthenticated_per_s",
    "fastpath",
    "api.listen",
    "state",
    "fleet",
    "proxy_protocol",
    "user",
    "debug",
)
"""Keys whose change takes effect after a restart only."""


def run(settings: Settings, config: Path | None) -> int:
    """Run the relay until it is told to stop.

    Args:
        settings: with a secret.
        config: the file that they came from, which SIGHUP makes the relay read again.
    Returns: 0 after an orderly stop.
    Raises: RelayError, where the relay cannot start. Nothing else.
    """
    privileges.set_core_dumps(settings.debug.core_dumps)
    daemon = Daemon(settings, config)
    daemon.bind()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(daemon.serve())


class SystemClocks:
    """The clocks of this host."""

    def now(self) -> Now:
        """Read both clocks."""
        return Now(time.monotonic(), time.time())

    def mono_ns(self) -> int:
        """Read the monotonic clock in nanoseconds."""
        return time.monotonic_ns()


class Daemon:
    """One relay: its engine, its listeners and its API."""

    def __init__(self, settings: Settings, config: Path | None) -> None:
        self._settings = self._started_with = settings
        self._config = config
        told, rules = server_settings_of(settings, OwnAddresses().has), rules_of(settings)
        self._clocks = SystemClocks()
        self.engine = Engine(told, rules, self._clocks, os.urandom, self._reload)
        self._certificates = Certificates(settings, self.engine.views.certificate)
        self._listeners = Listeners(settings, self.engine, self._certificates.context)
        self._certificates.replaced = self._listeners.show
        self._files = files.share()
        self.engine.forwarder.descriptors.most = self._files.clients
        self._stop = asyncio.Event()
        self._was_terminated = False
        self._is_replaced = False

    def bind(self) -> None:
        """Bind every port and load the fast path, then give the privileges up.

        Raises: RelayError, naming what cannot be had.
        """
        user = self._settings.user
        uid = privileges.find(user).pw_uid if user else None
        self._certificates.keep_readable(user)
        self._listeners.open()
        self._api_socket = bind_api(self._settings)
        self._control = ControlSettings(
            (),
            self._secrets()[0],
            self._tokens(),
            takes_users=self._settings.relay.peers is not Peers.CALL,
            mints_per_s=self._settings.limits.mints_per_s,
            minted=self._minted,
        )
        self._tell_urls()
        kernel = self.engine.forwarder.kernel = open_fastpath(
            self._settings.fastpath,
            self._listeners.udp_addresses,
            [address.local for address in self._settings.relay.addresses],
            self._clocks.mono_ns,
        )
        if self._files.clients < files.FEW:
            log.warning("few_descriptors", extra={"for_clients": self._files.clients})
        self._api = make_api(self.engine, self._control, self._files.http)
        if uid is not None:
            kernel.give_to(uid)
        privileges.drop(user, filters=kernel.is_attached)
        privileges.set_core_dumps(self._settings.debug.core_dumps)

    async def serve(self) -> int:
        """Serve until a signal or the end of a drain stops the daemon. Returns: the exit code."""
        loop = asyncio.get_running_loop()
        api = self._api
        self._watch_signals(loop)
        follow(loop, self.engine.forwarder.kernel)
        self._listeners.start(loop)
        serving = asyncio.create_task(api.serve(sockets=[self._api_socket]))
        listening = asyncio.create_task(api.listening.wait())
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        _tame_collector()
        self.engine.start(loop)
        self.engine.is_ready = True
        self._say_ready()
        watching = asyncio.create_task(self._certificates.watch())
        await self._run_until_stopped(serving)
        watching.cancel()
        api.should_exit = True
        # Told twice to stop: calls are running, and the next daemon may take their routes over.
        close_fastpath(loop, self.engine.forwarder, leave_running=self._is_replaced)
        self._listeners.close(loop)
        self.engine.forwarder.close_ports()
        await serving
        self._certificates.close()
        log.info("stopped")
        for number in _SIGNALS:  # closing the loop would let one more of them kill what has ended
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        return 0

    async def _run_until_stopped(self, serving: "asyncio.Task[None]") -> None:
        """Run until told to stop, drained, or the API's server has ended."""
        ends = [self._stop.wait(), self.engine.drained.wait()]
        waiting = [asyncio.create_task(each) for each in ends]
        await asyncio.wait({serving, *waiting}, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    def _watch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        handlers = (self._on_sigterm, self._stop.set, self._on_sighup)
        for number, handler in zip(_SIGNALS, handlers, strict=True):
            loop.add_signal_handler(number, handler)

    def _on_sigterm(self) -> None:
        if self._was_terminated:
            self._is_replaced = True
            self._stop.set()
            return
        # A drain through the API does not count as a first SIGTERM: whoever drains before a stop
        # (in the `preStop` of a container) wants to spare the calls.
        self._was_terminated = True
        log.info("draining", extra={"calls": sum(self.engine.counts().values())})
        self.engine.drain()

    def _on_sighup(self) -> None:
        try:
            self._reload()
        except RelayError as error:
            # A fault quotes the operator, and the log would redact an address in it.
            faults = list(error.faults) if isinstance(error, ConfigError) else [str(error)]
            log.error("reload_refused", extra={"faults": len(faults)})
            for fault in faults:
                logs.say("fault", f"callveil: {fault}", "error", fault=fault)

    def _reload(self) -> None:
        """Read the configuration again. All of it takes effect, or nothing does.

        Raises: ConfigError.
        """
        try:
            fresh = self._load()
        except ConfigError:
            self._certificates.look()
            raise
        if not fresh.auth.secrets:  # the secret that was generated at start stays
            auth = fresh.auth.model_copy(update={"secrets": self._settings.auth.secrets})
            fresh = fresh.model_copy(update={"auth": auth})
        for key in _RESTART:
            if attrgetter(key)(fresh) != attrgetter(key)(self._started_with):
                log.warning("needs_restart", extra={"key": key})
        self._settings = fresh
        self.engine.server.set_rules(rules_of(fresh))
        alone = fresh.mints_alone
        self.engine.server.replace_secrets(self._secrets(), users_of(fresh), mints_alone=alone)
        self._control.secret = self._secrets()[0]
        self._control.tokens = self._tokens()
        self._control.mints_per_s = fresh.limits.mints_per_s
        self._tell_urls()
        log.info("reloaded")

    def _load(self) -> Settings:
        """Read the configuration, and the certificate that it names. Raises: ConfigError."""
        fresh = load(self._config, os.environ, self._certificates.read_pair)
        if not fresh.api.tokens and not self._started_with.api.listen.is_loopback:
            raise ConfigError(
                "api.tokens: []: expected at least one token until a restart, since other hosts "
                "reach the API"
            )
        self._certificates.reload(fresh)
        return fresh

    def _tell_urls(self) -> None:
        """Tell the API where clients find the listeners."""
        urls = self._listeners.urls(self._settings.relay.names)
        self._control.urls = urls
        self._control.stun_urls = stun_urls(urls) if self._started_with.privacy.stun_binding else ()

    def _minted(self, username: str, expiry: int) -> None:
        self.engine.server.minted(username, expiry, self._clocks.now())

    def _secrets(self) -> tuple[str, ...]:
        return tuple(secret.get_secret_value() for secret in self._settings.auth.secrets)

    def _tokens(self) -> tuple[str, ...]:
        return tuple(token.get_secret_value() for token in self._settings.api.tokens)

    def _say_ready(self) -> None:
        urls, api = self._control.urls, url_of(self._api_socket)
        logs.say("ready", f"ready {' '.join(urls)} api {api}", urls=urls, api=api)


def _tame_collector() -> None:
    """Make the garbage collector run seldom, and never over what start-up has made.

    Reference counting frees calls and allocations. A full collection over ten thousand of them
    would hold up every packet for tens of milliseconds, and only the API makes cycles, a few per
    request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)
