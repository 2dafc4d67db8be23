"""Pages of 500 results of 200 identities with tags and baselines: server time, and first draw.

Server time: the processor time of all that Django does for a page, in a process of its own. First
draw: from the request to the first content, and on pages with charts to the last chart, in
Chromium.
"""

from __future__ import annotations

from collections.abc import Mapping

from playwright.sync_api import BrowserContext

from tests.bench.chromium import chromium, wait_for, window
from tests.bench.harness import Bench, Goal, Readings, medians
from tests.bench.programs import Program, program
from tests.bench.stacks import dashboard, environment

NAME = "organised"
WHAT = "pages of 500 results of 200 identities, with tags and baselines"
BESIDE = "–"
PAGES = {
    "list": "/results/",
    "evaluations": "/results/?type=evaluation",
    "model": "/results/?model=distill-3",
    "stack": "/results/?stack=stack-1",
    "tag": "/results/?tag=week-3",
    "mark": "/results/?mark=baseline",
    "days": "/results/?days=30",
    "identities": "/results/?group=identity",
    "fleet": "/results/fleet/",
    "result": "/results/{result}/",
    "evaluation": "/results/{evaluation}/",
    "history": "/results/{result}/history/",
    "point": "/results/{result}/points/8/",
    "matrix": "/matrices/{matrix}/",
    "compare": "/results/compare/?{runs}",
    "compare-groups": "/results/compare/?{groups}",
    "compare-evaluations": "/results/compare/?{evaluations}",
    "compare-large": "/results/compare/?{large}",
}
