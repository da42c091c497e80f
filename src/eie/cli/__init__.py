"""The command line. Its commands are one file each, registered in `eie.cli.commands`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    The exit code is 2 for bad input or a missing extra, 1 for a tool or worker that failed, and 130 for Ctrl-C; stderr
    gets one line that explains it.
    """
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job ignores Ctrl-C
    if handled:
        signal.signal(signal.SIGINT, _stop_at_once)
    from eie.cli.commands import app
    from eie.cli.output import log
    from eie.errors import EieError, InputError, MissingExtra

    if handled:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except EieError as error:
        log.print(f"eie: {error}", style="red")
        sys.exit(2 if isinstance(error, InputError | MissingExtra) else 1)


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    """End the process if it is interrupted during imports, where a module may turn the interrupt into any error."""
    os.write(2, b"eie: interrupted\n")
    os._exit(130)
