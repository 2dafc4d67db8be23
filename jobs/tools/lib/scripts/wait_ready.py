"""Wait until a server is ready and offers the model that was asked for.

Meanwhile shows the server's log, or without one each change of its state. Exits 1 with the reason
when it takes too long, or offers another model. A key that requests must carry is in the
environment (API_KEY).
"""

import argparse
import json
import os
import sys
import time
import urllib.error
from pathlib import Path

from direct import OPEN, models_of, within


class Follower:
    """Follower of a file's new content."""

    def __init__(self, path, out):
        self._path, self._out, self._offset = path, out, 0

    def show(self):
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                while block := file.read(65536):
                    self._offset += len(block)
                    self._out.write(block)
        except FileNotFoundError:
            return
        self._out.flush()


def state_of(url, health):
    try:
        with within(5), OPEN.open(f"{url}{health}", timeout=5):
            return "ready"
    except urllib.error.HTTPError as error:
        # An endpoint that wants a key is there.
        return "ready" if error.code == 401 else f"loading (HTTP {error.code})"
    except (OSError, ValueError) as error:
        return f"not answering ({getattr(error, 'reason', error)})"


def wait(args, follower):
    """Return "" when the server is ready, else why it is not."""
    began, shown, key = time.monotonic(), None, os.environ.get("API_KEY", "")
    while True:
        state = state_of(args.url, args.health)
        seconds = time.monotonic() - began
        if follower:
            follower.show()
        elif state != shown:
            print(f"{seconds:7.2f} s  {state}", flush=True)
            shown = state
        if state == "ready":
            models = models_of(args.url, key) if args.model else [""]
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
    parser.add_argument("--health", default="/health", help="path that returns 200 when ready")
    parser.add_argument("--log", type=Path, help="the server's log")
    parser.add_argument("--model", default="", help="required model name; default: any")
    parser.add_argument("--timeout", type=float, required=True, help="seconds")
    parser.add_argument("--interval", type=float, default=0.1, help="seconds")
    args = parser.parse_args()
    if not args.url.startswith("http://"):
        parser.error(f"{args.url} is no http address")
    try:
        reason = wait(args, Follower(args.log, sys.stdout.buffer) if args.log else None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{args.url} did not say which model it serves: {error}"
    if not reason:
        return
    sys.exit(f"error: {reason}")


if __name__ == "__main__":
    main()
