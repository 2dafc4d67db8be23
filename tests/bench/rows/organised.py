"""Pages of 500 results of 200 identities: list, identities, fleet, comparison, one result."""

from __future__ import annotations

from tests.bench.harness import Bench, Goal, Readings, medians
from tests.bench.programs import program
from tests.bench.stacks import environment

NAME = "organised"
WHAT = "pages of 500 results, 200 identities, with tags and baselines"
BESIDE = "–"
PAGES = {
    "list": "/results/",
    "tag": "/results/?tag=week-3",
    "days": "/results/?days=30",
    "identities": "/results/?group=identity",
    "fleet": "/results/fleet/",
    "result": "/results/9/",
    "compare": "/results/compare/?{compare}",
}
GOALS = tuple(Goal(name, "ms", 300) for name in PAGES)
LIMIT_S = 240


def measure(bench: Bench) -> Readings:
    """Every page in turn, on SQLite; one round before is not counted."""
    env = environment(bench.folder, DATABASE_URL=f"sqlite:///{bench.folder}/db", REDIS_URL="")
    order = {"identities": bench.size(200, 40)}
    with program("inside.organised", order, env=env) as server:
        known = server.answer()
        timings: dict[str, list[dict[str, float]]] = {name: [] for name in PAGES}
        for _ in range(bench.size(11, 3) + 1):
            for name, address in PAGES.items():
                server.say(address.format(**known))
                answer = server.answer()
                if answer["status"] != 200:
                    raise RuntimeError(f"{address}: {answer}")
                timings[name].append({"ms": answer["ms"]})
    return {name: (medians(samples[1:])["ms"], None) for name, samples in timings.items()}
