"""One row in a process of its own: ``python -m tests.bench.one NAME FOLDER [--quick]``.

Prints its figures as JSON. SIGTERM ends it with all that it has started.
"""

import json
import signal
import sys
from pathlib import Path

from tests.bench.harness import Bench, figures
from tests.bench.rows import ROWS
from tests.bench.stopping import on_signals

if __name__ == "__main__":
    on_signals(signal.SIGTERM)
    name, folder, *flags = sys.argv[1:]
    results = figures(ROWS[name], Bench(Path(folder), quick="--quick" in flags))
    json.dump([figure.to_json() for figure in results], sys.stdout)
