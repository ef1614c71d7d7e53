"""The daemon: the only place that wires everything, and the only one that reads clocks.

Start: bind, then say `ready`. SIGTERM drains and a second one stops; SIGINT stops; SIGHUP reloads.
"""

import asyncio
import contextlib
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
from relay.calls.call import Masking, Policy, Rules
from relay.calls.registry import Registry
from relay.clock import Now
from relay.config import Settings, load
from relay.daemon import files, privileges
from relay.daemon.engine import Engine
from relay.daemon.fastpath import follow, open_fastpath
from relay.daemon.http import bind_api, make_api
from relay.daemon.listeners import Listeners
from relay.daemon.relayed_ports import port_settings_of
from relay.daemon.serving import url_of
from relay.errors import ConfigError, RelayError
from relay.forward.own_addresses import OwnAddresses
from relay.turn.settings import TurnSettings, port_of_nobody

log = logging.getLogger(__name__)

_TICK_S = 0.25  # how late an expiry may be noticed; the contract says within one second
_ALLOCATIONS_MAX = 1_000_000  # some 4 GiB: a bound, for a relay that never runs into it

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_RESTART = (
    "realm",
    "listen",
    "relay",
    "ports",
    "privacy.mask_mapped_address",
    "privacy.stun_binding",
    "limits.allocations_per_leg",
    "limits.unauthenticated_per_s",
    "fastpath",
    "api.listen",
    "state",
    "fleet",
    "user",
    "debug",
)
"""Keys of which a change only counts after a restart."""


def run(settings: Settings, config: Path | None) -> int:
    """Run the relay until it is told to stop.

    Args:
        settings: with a secret.
        config: where they came from, to read again on SIGHUP.
    Returns: 0 after an orderly stop.
    Raises: RelayError, where it cannot start. Nothing else.
    """
    privileges.set_core_dumps(settings.debug.core_dumps)
    daemon = Daemon(settings, config)
    daemon.bind()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(daemon.serve())


class SystemClocks:
    """The clocks of this host."""

    def now(self) -> Now:
        """Both, at this moment."""
        return Now(time.monotonic(), time.time())

    def mono_ns(self) -> int:
        """The monotonic one in nanoseconds."""
        return time.monotonic_ns()


class Daemon:
    """One relay: its engine, its listeners and its API."""

    def __init__(self, settings: Settings, config: Path | None) -> None:
        self._settings = self._started_with = settings
        self._config = config
        registry = Registry(rules_of(settings))
        turn = turn_settings_of(settings, os.urandom(32))
        ports = port_settings_of(settings, os.urandom(32), OwnAddresses().has)
        self._clocks = SystemClocks()
        self.engine = Engine(turn, registry, self._clocks, os.urandom, self._reload, ports)
        self._listeners = Listeners(settings, self.engine)
        self._files = files.share()
        self.engine.forwarder.descriptors.most = self._files.clients
        self._stop = asyncio.Event()
        self._was_terminated = False
        self._is_replaced = False

    def bind(self) -> None:
        """Take all that asks for a privilege or a port, then give the privileges up.

        It happens before the loop runs, since what lists interfaces has a loop of its own.

        Raises: RelayError, naming what cannot be had.
        """
        user = self._settings.user
        uid = privileges.find(user).pw_uid if user else None
        self._listeners.open()
        self._api_socket = bind_api(self._settings)
        self._control = ControlSettings(
            tuple(self._listeners.urls),
            self._secrets()[0],
            self._tokens(),
            stun_urls(self._listeners.urls) if self._settings.privacy.stun_binding else (),
        )
        self.engine.forwarder.kernel, self.engine.fastpath = open_fastpath(
            self._settings.fastpath,
            self._listeners.udp_addresses,
            [address.local for address in self._settings.relay.addresses],
            self._clocks.mono_ns,
        )
        if self._files.clients < files.FEW:
            log.warning("few_descriptors", extra={"for_clients": self._files.clients})
        self._api = make_api(self.engine, self._control, self._files.http)
        kernel = self.engine.forwarder.kernel
        if kernel is not None and uid is not None:
            kernel.give_to(uid)
        privileges.drop(user, filters=kernel is not None)
        privileges.set_core_dumps(self._settings.debug.core_dumps)

    async def serve(self) -> int:
        """Run, and stop when told to."""
        loop = asyncio.get_running_loop()
        api = self._api
        self._watch_signals(loop)
        kernel = self.engine.forwarder.kernel
        if kernel is not None:
            follow(loop, kernel)
        await self._listeners.start(loop)
        serving = asyncio.create_task(api.serve(sockets=[self._api_socket]))
        listening = asyncio.create_task(api.listening.wait())
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        _tame_collector()
        self.engine.is_ready = True
        self._say_ready()
        await self._run_until_stopped(serving)
        api.should_exit = True
        if kernel is not None:
            # Told twice to stop: calls are running, and the next daemon may take their routes over.
            loop.remove_reader(kernel.fileno())
            kernel.close(leave_running=self._is_replaced)
            self.engine.forwarder.kernel = None  # closing ports is no business of its any more
        await self._listeners.close(loop)
        self.engine.forwarder.close_ports()
        await serving
        log.info("stopped")
        for number in _SIGNALS:  # closing the loop would let one more of them kill what has ended
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        return 0

    async def _run_until_stopped(self, serving: "asyncio.Task[None]") -> None:
        while not self._stop.is_set() and not serving.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _TICK_S)
            try:
                self.engine.tick()
            except Exception:  # a fault of ours: the running calls go on, and it is seen
                log.exception("tick_failed")
            if self.engine.is_drained():
                return

    def _watch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        handlers = (self._on_sigterm, self._stop.set, self._on_sighup)
        for number, handler in zip(_SIGNALS, handlers, strict=True):
            loop.add_signal_handler(number, handler)

    def _on_sigterm(self) -> None:
        if self._was_terminated:
            self._is_replaced = True
            self._stop.set()
            return
        # A drain that the API has begun is not taken for a first SIGTERM: who drains before a stop
        # (a container's `preStop`) wants the calls spared.
        self._was_terminated = True
        log.info("draining", extra={"calls": len(self.engine.registry)})
        self.engine.drain()

    def _on_sighup(self) -> None:
        try:
            self._reload()
        except RelayError as error:
            # The operator's own words, which the log would redact where they name an address.
            faults = list(error.faults) if isinstance(error, ConfigError) else [str(error)]
            log.error("reload_refused", extra={"faults": len(faults)})
            for fault in faults:
                logs.say("fault", f"callveil: {fault}", "error", fault=fault)

    def _reload(self) -> None:
        """Read the configuration again; all of it holds, or nothing has changed.

        Raises: ConfigError.
        """
        fresh = load(self._config, os.environ)
        if not fresh.api.tokens and not self._started_with.api.listen.is_loopback:
            raise ConfigError(
                "api.tokens: expected one until a restart: others reach the API till then"
            )
        self._listeners.reload_certificate(fresh)
        if not fresh.auth.secrets:  # then the one that was generated at start stays
            auth = fresh.auth.model_copy(update={"secrets": self._settings.auth.secrets})
            fresh = fresh.model_copy(update={"auth": auth})
        for key in _RESTART:
            if attrgetter(key)(fresh) != attrgetter(key)(self._started_with):
                log.warning("needs_restart", extra={"key": key})
        self._settings = fresh
        self.engine.registry.rules = rules_of(fresh)
        self.engine.server.replace_secrets(self._secrets())
        self._control.secret = self._secrets()[0]
        self._control.tokens = self._tokens()
        log.info("reloaded")

    def _secrets(self) -> tuple[str, ...]:
        return tuple(secret.get_secret_value() for secret in self._settings.auth.secrets)

    def _tokens(self) -> tuple[str, ...]:
        return tuple(token.get_secret_value() for token in self._settings.api.tokens)

    def _say_ready(self) -> None:
        urls, api = self._listeners.urls, url_of(self._api_socket)
        logs.say("ready", f"ready {' '.join(urls)} api {api}", urls=urls, api=api)


def rules_of(settings: Settings) -> Rules:
    """What the operator decided about calls."""
    limits, privacy = settings.limits, settings.privacy
    return Rules(
        policy=Policy(privacy.policy),
        masking=Masking(privacy.masking),
        require_registered_call=settings.auth.require_registered_call,
        legs_per_call=limits.legs_per_call,
        bitrate_bps=limits.bitrate_bps,
        packets_per_s=limits.packets_per_s,
        call_duration_s=limits.call_duration_s,
        credential_ttl_s=settings.auth.ttl_s,
    )


def turn_settings_of(settings: Settings, nonce_key: bytes) -> TurnSettings:
    """What the TURN server is told."""
    ports = range(settings.relay.ports.low, settings.relay.ports.high + 1)
    return TurnSettings(
        realm=settings.realm,
        secrets=tuple(secret.get_secret_value() for secret in settings.auth.secrets),
        relayed_ips=tuple(address.public.packed for address in settings.relay.addresses),
        local_ips=tuple(address.local.packed for address in settings.relay.addresses),
        ports=ports,
        masked_port=port_of_nobody(ports, {each.address.port for each in settings.listen}),
        peers=settings.relay.peers.value,
        mask_mapped_address=settings.privacy.mask_mapped_address,
        stun_binding=settings.privacy.stun_binding,
        allocations_per_leg=settings.limits.allocations_per_leg,
        allocations=_ALLOCATIONS_MAX,
        unauthenticated_per_s=settings.limits.unauthenticated_per_s,
        nonce_key=nonce_key,
    )


def _tame_collector() -> None:
    """Look for cycles seldom, and never among what start-up made.

    Calls and allocations are freed by counting; a full collection over ten thousand of them would
    hold up every packet for tens of milliseconds, and the API alone makes no more than a few cycles
    a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)
