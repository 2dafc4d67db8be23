"""A host's shipper on one spool: ``python -m tests.bench.ship``.

Order: ``{"spool", "env"}``. It says ``ready``, ships after a line, and says
``{"seconds"}``.
"""

import json
import sys
import time
from pathlib import Path

from jobs.host.base import config
from jobs.host.base.client import Client
from jobs.host.base.spool import Spool
from jobs.host.ship import Shipped, Shipper

if __name__ == "__main__":
    order = json.loads(sys.stdin.readline())
    shipper = Shipper(Spool(Path(order["spool"])), Client(config.load(file=Path(order["env"]))))
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    outcome = shipper.round()
    seconds = time.monotonic() - began
    if outcome is not Shipped.SENT:
        raise SystemExit(f"nothing was sent: {outcome}")
    print(json.dumps({"seconds": seconds}), flush=True)
