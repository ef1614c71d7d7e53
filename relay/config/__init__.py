"""Settings: the operator's configuration, checked once and typed from then on.

Rules of this package: every key has a default. What callveil does not understand is a fault that
names the key; nothing is ignored. No fault, `repr` or dump shows a secret or a token.
"""

from relay.config.certificate import View
from relay.config.checks import unheld_names
from relay.config.host import look_at_certificate, look_at_host
from relay.config.load import cautions, load, parse
from relay.config.networks import DeniedPeers
from relay.config.pair import Pair, context_of, open_file, pair_of, read_pair
from relay.config.settings import Settings
from relay.config.values import ApiListen, Listen, PortRange, RelayAddress, advertised

__all__ = [
    "ApiListen",
    "DeniedPeers",
    "Listen",
    "Pair",
    "PortRange",
    "RelayAddress",
    "Settings",
    "View",
    "advertised",
    "cautions",
    "context_of",
    "load",
    "look_at_certificate",
    "look_at_host",
    "open_file",
    "pair_of",
    "parse",
    "read_pair",
    "unheld_names",
]
