#!/usr/bin/env python3
"""Django's command line for this project."""

import os
import sys

from django.core.management import execute_from_command_line

from dashboard import __version__
from dashboard.config.env import UMASK

INTERRUPTED = 130  # as a shell has it: 128 + SIGINT


def main() -> int:
    """The command's own exit code; nothing is told of Ctrl-C, nor of a reader that has gone."""
    if sys.argv[1:] in (["version"], ["--version"]):
        print(__version__)  # noqa: T201 -- Django would print its own
        return 0
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    os.umask(UMASK)
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as of "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
