"""The command line. Errors are one line on stderr, never a traceback.

Exit codes: 0 well, 1 what was asked for failed, 2 usage or configuration, 3 an audit that could not
search everything, 130 interrupted.
"""

from relay.cli.main import main

__all__ = ["main"]
