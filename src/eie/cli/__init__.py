"""The command line. Its commands are one file each, registered in `eie.cli.commands`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    Exit code 2 is for bad input and a missing extra, 1 for a tool or a worker that failed, 130 for Ctrl-C; each is
    told in one line on stderr.
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
    """End the process while it only imports: a module cut short in its import may turn an interrupt into any error."""
    os.write(2, b"eie: interrupted\n")
    os._exit(130)
