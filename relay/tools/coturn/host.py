"""What a conversion needs to know besides the file."""

from collections.abc import Callable
from typing import NamedTuple


class Host(NamedTuple):
    """The host that the configuration is for.

    Args:
        directory: where the file is, from which coturn finds its other files.
        told: addresses of the relay, or PUBLIC/LOCAL, in place of the file's; one per family.
        own: this host's addresses, for where the file leaves it to coturn to find them.
        pair_fault: what is wrong with a certificate and its key, by file name; empty for nothing.
    """

    directory: str
    told: tuple[str, ...]
    own: tuple[str, ...]
    pair_fault: Callable[[str, str], str]
