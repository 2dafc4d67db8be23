"""Every test has a data folder of its own, and static files without a collected manifest."""

import gc
import os
import random
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.utils import translation

from jobs.catalog import QUESTION_SETS
from jobs.confined import Pool, taken, worker

pytest_plugins = ["tests.stack", "tests.api", "tests.simulated", "tests.stub_server"]

PLAIN_STATIC = "django.contrib.staticfiles.storage.StaticFilesStorage"
DATABASE_FIXTURES = {"db", "transactional_db"}
# Folders of which every test may use a database, without a mark.
WITH_DATABASE = [
    Path(__file__).parent / folder
    for folder in (
        *("dashboard/actions", "dashboard/api", "dashboard/intake", "dashboard/pages"),
        *("jobs/access", "jobs/launch", "jobs/schedule"),
    )
]
# They start real processes, often the whole stack.
STACK_MARKS = ("processes", "browser")
DASHBOARD = Path(__file__).parent / "dashboard"
PARTS_WITH_PROCESSES = ("tour", "browser", "processes")
MUCH_MIB = 20
_EMPTY: list[Path] = []  # data folders that a test has left empty
_MORE: Counter[str] = Counter()  # MiB by which a test has raised the peak


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options by which :mod:`tests.__main__` chooses the tests of each run."""
    text = (
        "after the tour, in a browser without it, with processes, pages and API without processes, "
        "all others, or vLLM itself"
    )
    parts = ["tour", "browser", "processes", "pages", "rest", "vllm"]
    parser.addoption("--part", choices=parts, help=text)
    text = "only tests that use a database: all, or those marked postgresql"
    parser.addoption("--database", choices=["all", "postgresql"], help=text)
    text = "a link to what the tour has installed: made by the run that takes it, for the other"
    parser.addoption("--toured", type=Path, help=text)
    text = "random order of folders, files and tests; files marked in_order keep theirs"
    parser.addoption("--shuffle", metavar="SEED", help=text)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import modules without a test of the part or the database: they are most."""
    marks: tuple[str, ...] = ()
    part = config.getoption("--part")
    if part in ("pages", "rest") and collection_path.is_file():
        return (DASHBOARD in collection_path.parents) == (part == "rest") or None
    if part in PARTS_WITH_PROCESSES:
        marks = STACK_MARKS
    elif config.getoption("--database") == "postgresql":
        marks = ("postgresql",)
    if not (marks and collection_path.match("test_*.py")):
        return None
    text = collection_path.read_text()
    return None if any(f"mark.{mark}" in text for mark in marks) else True


def pytest_itemcollected(item: pytest.Item) -> None:
    is_marked = item.get_closest_marker("django_db") is not None
    if not is_marked and any(folder in item.path.parents for folder in WITH_DATABASE):
        item.add_marker(pytest.mark.django_db)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose the tests of this run by their markers."""
    for item in items:
        _check_markers(item)
    part = config.getoption("--part")
    kept = [item for item in items if part is None or _part_of(item) == part]
    if part is None:
        kept = [item for item in kept if not item.get_closest_marker("vllm")]
    if database := config.getoption("--database"):
        kept = [item for item in kept if _uses_database(item, is_all=database == "all")]
    if seed := config.getoption("--shuffle"):
        kept = _shuffled(kept, seed, config.rootpath)
    if part == "tour":
        # A browser takes the tour of a dashboard without a job; others use what it made.
        kept.sort(key=lambda item: not _has(item, "browser"))
    if part == "processes":
        # Those in a browser and those with EvalScope need what the tour of a run beside this one
        # installs; the simulated host must have nothing prepared yet.
        def place(item: pytest.Item) -> tuple[bool, ...]:
            needs_evalscope = item.path.name in ("test_client.py", "test_evalscope.py")
            return _has(item, "simulated"), not _has(item, "browser"), needs_evalscope

        kept.sort(key=place)
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


def pytest_collection_finish() -> None:
    """Take all that was imported out of garbage collection, which would go through it again.

    The rest is collected less often than after each 700 objects: it took a tenth of each test.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    before = _peak_mib()
    result = yield
    _MORE[item.nodeid] = _peak_mib() - before
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    most = [f"{more} at {name}" for name, more in _MORE.most_common(3) if more > MUCH_MIB]
    terminalreporter.write_line("; ".join([f"Peak of memory: {_peak_mib()} MiB", *most]))


def _check_markers(item: pytest.Item) -> None:
    """Refuse a test whose fixtures start what its markers do not name.

    Raises:
        pytest.UsageError: names the marker that is missing.
    """
    fixtures = set(getattr(item, "fixturenames", ()))
    needs_tour = "toured" in fixtures or (_has(item, "browser") and "stack" in fixtures)
    if needs_tour and "simulated" not in fixtures and not _has(item, "tour"):
        raise pytest.UsageError(f"{item.nodeid} takes the tour: mark it with pytest.mark.tour")
    if "simulated" in fixtures and not _has(item, "simulated"):
        raise pytest.UsageError(f"{item.nodeid} needs pytest.mark.simulated")


def _shuffled(items: list[pytest.Item], seed: str, root: Path) -> list[pytest.Item]:
    """Shuffle folders, files, and tests within a file. Fixtures of a folder or file stay shared."""

    def place(name: object) -> float:
        return random.Random(f"{seed} {name}").random()

    def key(at: int) -> list[float]:
        item = items[at]
        path = item.path.relative_to(root)
        folders = [place(folder) for folder in reversed(path.parents)]
        return [*folders, place(path), at if _has(item, "in_order") else place(item.nodeid)]

    return [items[at] for at in sorted(range(len(items)), key=key)]


def _part_of(item: pytest.Item) -> str:
    """Name the part. The tour and its installation stay in one run; so does the simulated host."""
    if _has(item, "vllm"):
        return "vllm"  # downloads 1 GB
    if not any(_has(item, mark) for mark in STACK_MARKS):
        return "pages" if DASHBOARD in item.path.parents else "rest"
    if _has(item, "tour"):
        return "tour"
    return "browser" if _has(item, "browser") and not _has(item, "simulated") else "processes"


def _has(item: pytest.Item, mark: str) -> bool:
    return item.get_closest_marker(mark) is not None


def _uses_database(item: pytest.Item, *, is_all: bool) -> bool:
    if any(_has(item, mark) for mark in STACK_MARKS):
        return False  # their processes have databases of their own
    fixtures = set(getattr(item, "fixturenames", ()))
    is_one = _has(item, "django_db") or bool(DATABASE_FIXTURES & fixtures)
    return is_one and (is_all or _has(item, "postgresql"))


@pytest.fixture(autouse=True)
def own_data_folder(
    request: pytest.FixtureRequest, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Logs, outputs and secrets of one test are not those of another, or of a dashboard.

    A folder that a test leaves empty is the next test's: making thousands takes a minute.
    """
    if is_tests := "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path") / "data"
    else:
        folder = _EMPTY.pop() if _EMPTY else tmp_path_factory.mktemp("of-a-test") / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    settings.DATA_DIR = folder
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STATIC}}
    for name in ("default", "process"):
        caches[name].clear()
    if curve := sys.modules.get("jobs.queries.results.curve"):
        curve.stored_requests.cache_clear()  # a test's database numbers its points anew
    yield
    if is_tests:
        return
    if folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700 and not any(folder.iterdir()):
        _EMPTY.append(folder)
    else:
        shutil.rmtree(folder.parent, ignore_errors=True)


@pytest.fixture(autouse=True)
def confined_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run confined tasks in the test's own process, where its database and stand-ins are."""

    def run(pool: Pool, name: str, args: tuple[Any, ...]) -> bytes:
        language = translation.get_language() or "en"
        return taken(*worker.answered(name, args, language, pool.limits), pool.limits)

    monkeypatch.setattr(Pool, "run", run)


@pytest.fixture(autouse=True)
def own_language() -> None:
    """A page that one test asked for in Chinese leaves its thread in Chinese: not for the next."""
    translation.deactivate()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program. Without one the test is skipped; with REQUIRE_BROWSER=1 it fails."""
    program = find_browser()
    if program is None and os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail("REQUIRE_BROWSER=1, and there is no Chromium on the PATH")
    if program is None:
        pytest.skip("no Chromium on the PATH")
    return program


def find_browser() -> str | None:
    """Chromium without windows where it is installed: it takes a fifth less of the processor."""
    return shutil.which("chromium-headless-shell") or find_chromium()


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture
def question_folder(tmp_path: Path) -> Iterator[None]:
    """A folder for question sets of the team."""
    QUESTION_SETS.configure(tmp_path / "questions")
    yield
    QUESTION_SETS.configure(None)
