"""Turns a `turnserver.conf` of coturn's into a configuration of callveil's.

Rules of this package: it is pure, and takes any bytes. Every option of coturn's stands in one
table, `options.OPTIONS`, with what becomes of it. What is carried over otherwise than one would
think, or not at all, is a note; no note shows a value that may be a secret.
"""

from relay.tools.coturn.convert import Imported, convert
from relay.tools.coturn.host import Host
from relay.tools.coturn.lines import MAX_BYTES
from relay.tools.coturn.writing import written

__all__ = ["MAX_BYTES", "Host", "Imported", "convert", "written"]
