"""Lists of 100,000 jobs and results with 1,000,000 points, beside the same with 200 jobs."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg

from tests.bench.harness import Bench, Goal, Readings, medians, row
from tests.bench.programs import Program, environment, program
from tests.stack import postgresql

DATABASES = ("sqlite", "postgresql")
# Filters of the lists. A first page has as many rows with any number of jobs.
FILTERS = {
    "jobs": {
        "all": {},
        "state": {"state": "succeeded"},
        "kind": {"kind": "benchmark"},
        "host": {"host": "host-0"},
        "person": {"person": "person-0"},
        "kind-and-state": {"kind": "benchmark", "state": "succeeded"},
        "rare": {"kind": "compile"},
        "text": {"q": "oddity"},
    },
    "results": {
        "all": {},
        "model": {"model": "distill-0"},
        "host": {"host": "host-0"},
        "person": {"person": "person-0"},
        "rare": {"model": "deepseek-r1"},
        "text": {"q": "oddity"},
    },
}
SHALLOW = ("rare", "text")  # these have one page
FEW = 200
# A scan of the words of 100,000 rows is part of the page.
RATIOS = {("sqlite", "text"): 1.5, ("postgresql", "text"): 2.0}
# With the many, on SQLite: all that the server does for a page, a form's preview included.
SERVED = {
    "jobs": ("/jobs/?", 15),
    "results": ("/results/?", 15),
    "preview": ("POST /launch/benchmark/preview/?host=host-0", 25),
}


@row(
    "lists",
    "jobs and results lists, 100,000 jobs, 1,000,000 points",
    *(
        Goal(
            f"{database}.{page}.{name}{depth}",
            *("ms", RATIOS.get((database, name), 1.3)),
            of="ratio",
        )
        for database in DATABASES
        for page, filters in FILTERS.items()
        for name in filters
        for depth in ("", "-deep")
        if not (depth and name in SHALLOW)
    ),
    *(Goal(f"server.{name}", "ms of its processor", most) for name, (_, most) in SERVED.items()),
    limit_s=600,
    grows="jobs",
)
def lists(bench: Bench) -> Readings:
    """Both databases, each with many and with few; every page of one right after that of the other.

    Deep pages of the many are compared with the first page of the few. ``server``: the processor
    time of pages of the many.
    """
    jobs, rounds = bench.amount(100_000, 5_000), bench.size(9, 3)
    figures: dict[str, float | tuple[float, float]] = {}
    for database in DATABASES:
        with ExitStack() as stack:
            urls = stack.enter_context(_databases(database, bench.folder))
            many, cursors = _filled(stack, bench.folder / database, urls["many"], jobs)
            few, _ = _filled(stack, bench.folder / f"{database}-few", urls["few"], FEW)
            for page, filters in FILTERS.items():
                for name, query in filters.items():
                    first = f"/{page}/?{urlencode(query)}"
                    figures[f"{database}.{page}.{name}"] = _beside(many, first, few, first, rounds)
                    if name not in SHALLOW:
                        deep = f"{first}&after={quote(cursors[page])}"
                        place = f"{database}.{page}.{name}-deep"
                        figures[place] = _beside(many, deep, few, first, rounds)
            if database == "sqlite":
                for name, (address, _) in SERVED.items():
                    samples = [_get(many, address) for _ in range(rounds + 1)]
                    figures[f"server.{name}"] = medians(samples[1:])["cpu_ms"]
    return figures


def _beside(
    many: Program, address: str, few: Program, few_address: str, rounds: int
) -> tuple[float, float]:
    """Medians in milliseconds; one round before is not counted."""
    timings: dict[str, list[Mapping[str, float]]] = {"many": [], "few": []}
    for _ in range(rounds + 1):
        pages = _get(many, address), _get(few, few_address)
        if pages[0]["rows"] != pages[1]["rows"]:
            raise RuntimeError(f"{address} and {few_address} are not alike: {pages}")
        for samples, page in zip(timings.values(), pages, strict=True):
            samples.append(page)
    return tuple(medians(samples[1:])["ms"] for samples in timings.values())


def _get(server: Program, address: str) -> Mapping[str, float]:
    server.say(address)
    answer: Mapping[str, float] = server.answer()
    if answer["status"] != 200 or not (answer["rows"] or address.startswith("POST")):
        raise RuntimeError(f"{address}: {answer}")
    return answer


def _filled(
    stack: ExitStack, folder: Path, url: str, jobs: int
) -> tuple[Program, Mapping[str, str]]:
    folder.mkdir()
    env = environment(folder, DATABASE_URL=url, REDIS_URL="")
    server = stack.enter_context(program("inside.lists", {"jobs": jobs, "points": 10}, env=env))
    return server, server.answer()["cursors"]


@contextmanager
def _databases(engine: str, folder: Path) -> Iterator[Mapping[str, str]]:
    """Addresses of two empty databases."""
    if engine == "sqlite":
        yield {"many": f"sqlite:///{folder}/many.db", "few": f"sqlite:///{folder}/few.db"}
        return
    with postgresql() as uri, psycopg.connect(uri, autocommit=True) as connection:
        before, _, query = uri.partition("?")
        urls = {}
        for name in ("many", "few"):
            connection.execute(f"CREATE DATABASE bench_{name}")
            urls[name] = f"{before.rpartition('/')[0]}/bench_{name}" + (
                f"?{query}" if query else ""
            )
        yield urls
