"""``python -m tests.bench.inside MODULE.FUNCTION``: from an order as JSON to an answer as JSON."""

import json
import sys
from importlib import import_module

if __name__ == "__main__":
    module, _, name = sys.argv[1].rpartition(".")
    function = getattr(import_module(f"tests.bench.inside.{module}"), name)
    json.dump(function(**json.load(sys.stdin)), sys.stdout)
