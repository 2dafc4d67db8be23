"""Wait until a server answers that it is ready, and serves the model that was asked for.

Prints each change of its state. Exits 1 with the reason when it ends first or takes too long.
"""

import argparse
import json
import sys
import time
import urllib.error
from pathlib import Path

from direct import OPEN, models_of, within


def state_of(url):
    try:
        with within(5), OPEN.open(f"{url}/health", timeout=5):
            return "ready"
    except urllib.error.HTTPError as error:
        return f"loading (HTTP {error.code})"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"not answering ({reason})"


def wait(args):
    """Return "" when the server is ready, else why it is not."""
    began, shown = time.monotonic(), None
    while True:
        state = state_of(args.url)
        seconds = time.monotonic() - began
        if state != shown:
            print(f"{seconds:7.2f} s  {state}", flush=True)
            shown = state
        if state == "ready":
            models = models_of(args.url)
            if args.model not in models:
                return f"{args.url} serves {models}, not {args.model}"
            Path("ready.json").write_text(json.dumps({"seconds": round(seconds, 3)}) + "\n")
            return ""
        if seconds > args.timeout:
            return f"the server was not ready after {args.timeout:g} s: {state}"
        time.sleep(args.interval)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="address without a path")
    parser.add_argument("--model", required=True, help="required model name")
    parser.add_argument("--timeout", type=float, required=True, help="seconds")
    parser.add_argument("--interval", type=float, default=0.1, help="seconds")
    args = parser.parse_args()
    if not args.url.startswith("http://"):
        parser.error(f"{args.url} is no http address")
    try:
        reason = wait(args)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{args.url} did not say which model it serves: {error}"
    if not reason:
        return 0
    print(f"error: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
