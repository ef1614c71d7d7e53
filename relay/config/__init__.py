"""Settings: what the operator wrote, checked once and typed from then on.

Rules of this package: every key has a default; whatever is not understood is a fault that names
the key, never ignored; no fault, `repr` or dump shows a secret or a token.
"""

from relay.config.load import cautions, load, parse
from relay.config.settings import Settings
from relay.config.values import ApiListen, DeniedPeers, Listen, PortRange, RelayAddress

__all__ = [
    "ApiListen",
    "DeniedPeers",
    "Listen",
    "PortRange",
    "RelayAddress",
    "Settings",
    "cautions",
    "load",
    "parse",
]
