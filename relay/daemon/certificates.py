"""Keeps the certificate of tls:// listeners up to date: looks at its files once a minute.

Rules of this file: what no client would accept does not replace what is in use. Connections that
are there keep the certificate that they began with.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import NamedTuple

from relay.api.configuration import describe_faults
from relay.config import Pair, Settings, View, context_of, read_pair, unheld_names
from relay.config.settings import TlsSettings
from relay.daemon import privileges
from relay.daemon.opener import Opener
from relay.errors import ConfigError
from relay.metrics import CertificateState

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""From one look at the files to the next."""


class _Fresh(NamedTuple):
    """A pair that can be used."""

    pair: Pair
    context: ssl.SSLContext
    ends_s: float | None


class Certificates:
    """The certificate in use, and the files that it came from.

    Args:
        settings: whose files can be loaded.
        state: what the metrics show.
    Raises: ConfigError, where the files have changed meanwhile.
    """

    def __init__(self, settings: Settings, state: CertificateState) -> None:
        self._settings = settings
        self._state = state
        self._opener: Opener | None = None
        self._refused: tuple[str, ...] = ()
        self._looks = 0
        self._pair: Pair | None = None
        self.context: ssl.SSLContext | None = None
        self.replaced: Callable[[ssl.SSLContext], None] = lambda _: None
        if settings.uses_tls:
            pair = read_pair(settings.tls)
            self._use(_load(settings, pair))

    def keep_readable(self, user: str) -> None:
        """Make the files readable still when this process has given up its privileges.

        Args:
            user: whom it is going to become; empty for nobody else.
        """
        if self.context is not None and privileges.loses_files(user):
            self._opener = Opener(self._settings.tls)

    def read_pair(self, tls: TlsSettings) -> Pair:
        """Read the files of these settings. Raises: ConfigError. Nothing else."""
        if self._opener is not None and self._opener.is_for(tls):
            return self._opener.read_pair(tls)
        return read_pair(tls)

    def reload(self, settings: Settings) -> None:
        """Use the files of these settings from now on. Settings without TLS count from the next
        start on, and name no files.

        Raises: ConfigError, and then nothing has changed.
        """
        if self.context is not None and settings.uses_tls:
            fresh = self._find(settings)
            self._looks += 1
            self._settings = settings
            self._accept(fresh)

    def look(self) -> None:
        """Use what is in the files now, or say why not. Raises: nothing."""
        if self.context is None:
            return
        self._looks += 1
        try:
            self._accept(self._find(self._settings))
        except ConfigError as error:
            self._refuse(error.faults)

    async def watch(self) -> None:
        """Look at the files once a minute, in a thread: disks and large keys may be slow."""
        while self.context is not None:
            await asyncio.sleep(LOOK_S)
            looks = self._looks
            try:
                fresh = await asyncio.to_thread(self._find, self._settings)
            except ConfigError as error:
                if looks == self._looks:
                    self._refuse(error.faults)
            except Exception:  # a fault of ours: the next look may have more luck, and it is seen
                log.exception("certificate_not_looked_at")
            else:
                if looks == self._looks:  # else somebody has looked since, and seen more
                    self._accept(fresh)

    def close(self) -> None:
        """Look no more."""
        if self._opener is not None:
            self._opener.close()

    def _find(self, settings: Settings) -> _Fresh | None:
        """Read the files and examine what is in them.

        Returns: what to use; None where that is in use already.
        Raises: ConfigError, where the pair does not fit or no client would accept it.
        """
        pair = self.read_pair(settings.tls)
        if pair == self._pair:
            return None
        fresh = _load(settings, pair)
        view = View(fresh.context, pair)
        faults = unheld_names(settings, view)
        if view.fault:
            faults.append(f"tls.certificate: {settings.tls.certificate!r}: {view.fault}")
        if faults:
            raise ConfigError(*faults)
        return fresh

    def _accept(self, fresh: _Fresh | None) -> None:
        if fresh is not None:
            self._use(fresh)
            self.replaced(fresh.context)
            log.info("certificate_replaced")
        elif self._refused:
            log.info("certificate_unchanged")  # and what was refused is gone
        self._refused, self._state.is_refused = (), False

    def _refuse(self, faults: tuple[str, ...]) -> None:
        """Say once why the one in use stays."""
        self._state.is_refused = True
        if faults != self._refused:
            log.error("certificate_refused", extra={"reason": describe_faults(faults)})
        self._refused = faults

    def _use(self, fresh: _Fresh) -> None:
        self._pair, self.context, self._state.expires_at_s = fresh


def _load(settings: Settings, pair: Pair) -> _Fresh:
    """Raises: ConfigError, where the two do not fit."""
    # A context of its own: loaded into the one before, a certificate with another kind of key would
    # stand beside the old one instead of replacing it.
    context = context_of(settings.tls, pair)
    validity = View(context, pair).validity
    return _Fresh(pair, context, None if validity is None else validity.ends_s)
