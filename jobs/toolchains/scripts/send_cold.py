"""Run EvalScope's performance test with prompts that no engine has seen before.

    send_cold.py --seeds 1=1701,4=1702 --windows FILE perf --dataset cold_lines --dataset-path ...

EvalScope sends the lines of a file in turn, and begins at the first one again at each concurrency:
an engine with a prefix cache then answers all but the first from its cache. cold_lines sends the
same lines, each behind a short mark of its own ("k3f9q2: Why is the sky …"), in an order of its
own. Both come from the seed of that concurrency, so that the same seed sends the same requests.

When each concurrency began is written to FILE, one JSON object a line. All else is EvalScope's own
command line.
"""

import json
import logging
import random
import sys
import time
from pathlib import Path

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
MARK = 6  # letters: a mark is met again once in a billion times


def seeds_of(text):
    """Concurrency -> seed, from "1=1701,4=1702"."""
    pairs = (pair.split("=") for pair in text.split(","))
    return {int(concurrency): int(seed) for concurrency, seed in pairs}


def cold(lines, seed):
    """Prompts without an end, none like another."""
    chance = random.Random(seed)
    while True:
        for line in chance.sample(lines, len(lines)):
            yield f"{''.join(chance.choices(LETTERS, k=MARK))}: {line}"


def register(seeds, windows):
    """Make EvalScope know cold_lines."""
    from evalscope.perf.plugin.datasets import line_by_line  # noqa: PLC0415 -- slow; not for tests
    from evalscope.perf.plugin.registry import register_dataset  # noqa: PLC0415

    @register_dataset("cold_lines")
    class ColdLines(line_by_line.LineByLineDatasetPlugin):
        def build_messages(self):
            told = self.query_parameters.parallel
            concurrency = told[0] if isinstance(told, list) else told
            with windows.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"concurrency": concurrency, "began": time.time()}) + "\n")
            text = Path(self.query_parameters.dataset_path).read_text(encoding="utf-8")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            for prompt in cold(lines, seeds[concurrency]):
                yield self.prepare_messages(prompt)


if __name__ == "__main__":
    from evalscope.cli.cli import run_cmd

    own, sys.argv[1:] = sys.argv[1:5], sys.argv[5:]
    register(seeds_of(own[1]), Path(own[3]))
    # A line for each request would tear the progress bar apart.
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.exit(run_cmd())
