"""Check an engine that the dashboard did not start, from the host that is about to call it.

    check_endpoint.py URL --served-model-name MODEL --to FILE [--key-variable NAME]

Exits 1 with the reason where it does not answer, answers with a redirect, refuses the key in
API_KEY (or NAME), or does not serve MODEL. What it answers about itself goes to FILE.
"""

import argparse
import json
import os
import sys
import urllib.error
from contextlib import suppress
from pathlib import Path

from direct import OPEN, request, within

MODELS = "/v1/models"
PATHS = (MODELS, "/version", "/metrics", "/props")
ANSWER_S = 10
LONGEST_LIST = 4 * 1024 * 1024  # bytes
LONGEST_KEPT = 64 * 1024  # of an answer: names of an engine's counters come early


def get(url, key, longest):
    with within(ANSWER_S):
        try:
            with OPEN.open(request(url, key), timeout=ANSWER_S) as answer:
                return answer.status, answer.read(longest)
        except urllib.error.HTTPError as error:
            return error.code, b""


def why_not(status, body, model, *, has_key):
    """Return why the list of models is no good; "" where ``model`` is in it."""
    if 300 <= status < 400:
        return f"HTTP {status}, a redirect, which is not followed"
    if status in (401, 403):
        return f"HTTP {status}: " + ("it refuses the key" if has_key else "it needs an API key")
    if status != 200:
        return f"HTTP {status}"
    try:
        names = [entry["id"] for entry in json.loads(body)["data"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it lists no models"
    return "" if model in names else f"it serves {', '.join(map(str, names[:20]))}, not {model}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--key-variable", default="API_KEY")
    options = parser.parse_args()
    key, listed = os.environ.get(options.key_variable, ""), options.url + MODELS
    try:
        status, body = get(listed, key, LONGEST_LIST)
    except (OSError, ValueError) as error:
        sys.exit(f"{listed} does not answer: {getattr(error, 'reason', error)}")
    problem = why_not(status, body, options.served_model_name, has_key=bool(key))
    if problem:
        sys.exit(f"{listed}: {problem}")
    answers = {MODELS: [status, body[:LONGEST_LIST].decode(errors="replace")]}
    for path in PATHS[1:]:
        with suppress(OSError, ValueError):  # optional: few engines have all of them
            status, body = get(options.url + path, key, LONGEST_KEPT)
            answers[path] = [status, body.decode(errors="replace")]
    Path(options.to).write_text(json.dumps(answers), encoding="utf-8")
    print(f"{options.url} serves {options.served_model_name}")


if __name__ == "__main__":
    main()
