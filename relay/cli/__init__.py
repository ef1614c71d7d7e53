"""The command line. Errors are one line on stderr, never a traceback.

Exit codes: 0 success, 1 the command failed, 2 wrong usage or configuration, 3 an audit could not
search everything, 130 interrupted.
"""

from relay.cli.main import main

__all__ = ["main"]
