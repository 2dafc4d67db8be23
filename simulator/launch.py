#!/usr/bin/env python3
"""Every program in ``bin/`` is a link to this file; its name says which stand-in runs."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from simulator.lib import programs  # noqa: E402 -- the path is set just above

if __name__ == "__main__":
    sys.exit(programs.run(Path(sys.argv[0]).name, sys.argv[1:]))
