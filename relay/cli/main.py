"""The entry point: turns the outcome of a command into an exit code and at most one line.

A wrong configuration is the exception: it is one line per fault.
"""

import os
import sys
from pathlib import Path

import typer

from relay.cli import commands, operations
from relay.errors import ConfigError, RelayError

INTERRUPTED = 130
"""128 + SIGINT, as shells say it."""


def main() -> None:
    """Run the command that `sys.argv` names, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command.

    Returns: the exit code.
    """
    command = typer.main.get_command(_app())
    try:
        # Not standalone: typer would draw its own frames around errors.
        result = command.main(arguments or ["--help"], prog_name="callveil", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; a second attempt at interpreter exit would be told to the user.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _tell(error)
    return result if isinstance(result, int) else 0


def _app() -> typer.Typer:
    app = typer.Typer(
        name="callveil",
        help="A media relay for private calls: neither party ever sees the other's address.",
        epilog="Exit codes: 0 success, 1 the command failed, 2 wrong usage or configuration, "
        "3 an audit could not search everything.",
        add_completion=False,
        # Plain help: rich takes longer to import than everything else together.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    commands.register(app)
    operations.register(app)
    return app


def _tell(error: Exception) -> int:
    """Print an error as one line. Returns: the exit code."""
    if isinstance(error, ConfigError):
        for fault in error.faults:
            _line(fault)
        return 2
    if isinstance(error, RelayError):
        _line(str(error))
        return 1
    # typer carries click's exceptions under a module name that differs between its versions.
    message = getattr(error, "format_message", None)
    if message is not None:
        return _usage(message(), getattr(error, "ctx", None))
    _line(f"internal fault: {type(error).__name__} {_place(error)}")
    return 1


def _usage(message: str, context: typer.Context | None) -> int:
    where = "callveil" if context is None else context.command_path
    first = message.partition("\n")[0]
    _line(f"{first.rstrip('.')}; see: {where} --help")
    return 2


def _place(error: Exception) -> str:
    """Name the file and line that raised an exception, for a bug report; nothing of its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _line(text: str) -> None:
    from relay import logs  # noqa: PLC0415  --help needs none

    text = " ".join(text.split())
    logs.say("fault", f"callveil: {text}", "error", fault=text)
