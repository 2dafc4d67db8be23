"""A thousand queued jobs, eight at a time: how much of the time is the jobs' own."""

import sys

from tests.bench.harness import Bench, Goal, Readings
from tests.bench.stacks import dashboard, inside, until_closed

NAME = "queue"
WHAT = "1,000 queued jobs drained by 8 slots"
BESIDE = "the jobs' own time"
GOALS = (Goal("drain", "jobs/s", 0.9, of="ratio", at_least=True),)
LIMIT_S = 420
SLOTS = 8
SLEEP_S = 2.0
WORK = (
    "import json, pathlib, time\n"
    f"time.sleep({SLEEP_S})\n"
    "pathlib.Path('ready.json').write_text(json.dumps({'seconds': 0}))\n"
)


def measure(bench: Bench) -> Readings:
    """From the first lease to the last verdict, beside the same jobs without a gap between them."""
    count = bench.size(1000, 40)
    with dashboard(bench.folder) as stack:
        order = {"argv": [sys.executable, "-S", "-c", WORK], "count": count, "slots": SLOTS}
        jobs = inside(stack.data_dir, "queue_jobs", **order)["jobs"]
        facts = until_closed(stack.data_dir, jobs).values()
    took = max(job["finished_at"] for job in facts) - min(job["started_at"] for job in facts)
    own = sum(job["steps_s"] for job in facts) / SLOTS
    return {"drain": (count / took, count / own)}
