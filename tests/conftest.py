"""What every test has: a data folder of its own, and static files without a collected manifest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.utils import translation

pytest_plugins = ["tests.stack", "tests.api", "tests.simulated"]

PLAIN_STATIC = "django.contrib.staticfiles.storage.StaticFilesStorage"
DATABASE_FIXTURES = {"db", "transactional_db"}
# They start real processes, often the whole stack.
STACK_MARKS = ("processes", "browser")
# They start dashboards of their own, and run where there is time: the parts shall end together.
AFTER_THE_TOUR = ("test_cluster.py", "test_two_dashboards.py")
PARTS_WITH_PROCESSES = ("tour", "browser", "processes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--part`` and ``--database-only``: what :mod:`tests.__main__` runs beside each other."""
    words = "after the tour, in a browser without it, with processes, all others, or vLLM itself"
    parts = ["tour", "browser", "processes", "rest", "vllm"]
    parser.addoption("--part", choices=parts, help=words)
    parser.addoption("--database-only", action="store_true", help="only tests that use a database")
    words = "a link to what the tour has installed: made by the run that takes it, for the other"
    parser.addoption("--toured", type=Path, help=words)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what has no test of a part that starts processes: there are thousands."""
    chosen = config.getoption("--part") in PARTS_WITH_PROCESSES
    if not (chosen and collection_path.match("test_*.py")):
        return None
    text = collection_path.read_text()
    return None if any(f"mark.{mark}" in text for mark in STACK_MARKS) else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose the tests of this run."""
    part = config.getoption("--part")
    kept = [item for item in items if _is_of(item, part)]
    if config.getoption("--database-only"):
        kept = [item for item in kept if _uses_database(item)]
    if part == "processes":
        # Those in a browser wait for what the tour of a run beside this one installs, and for a
        # simulated host on which nothing was prepared yet.
        kept.sort(key=lambda item: ("simulated" in _fixtures(item), not _in_browser(item)))
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


def _is_of(item: pytest.Item, part: str | None) -> bool:
    """Whether a test belongs to this part; vLLM's to none but its own, for it downloads 1 GB."""
    if item.get_closest_marker("vllm"):
        return part == "vllm"
    if not _needs_stack(item):
        return part in (None, "rest")
    return part in (None, _part_with_processes(item))


def _part_with_processes(item: pytest.Item) -> str:
    """What needs the tour, which takes minutes, stays where it is taken, with its dashboard."""
    fixtures = _fixtures(item)
    if "toured" in fixtures or (_in_browser(item) and "stack" in fixtures):
        return "tour"
    if item.path.name in AFTER_THE_TOUR:
        return "tour"
    # In a browser or not: they share the simulated host.
    return "browser" if _in_browser(item) and "simulated" not in fixtures else "processes"


def _in_browser(item: pytest.Item) -> bool:
    return item.get_closest_marker("browser") is not None


def _needs_stack(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(mark) for mark in STACK_MARKS)


def _uses_database(item: pytest.Item) -> bool:
    if _needs_stack(item):
        return False  # their processes have databases of their own
    return bool(
        item.get_closest_marker("django_db") or DATABASE_FIXTURES.intersection(_fixtures(item))
    )


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True)
def own_data_folder(settings: Any, tmp_path: Path) -> None:
    """Logs, outputs and secrets of one test are not those of another, or of a dashboard."""
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STATIC}}
    caches["process"].clear()


@pytest.fixture(autouse=True)
def own_language() -> None:
    """A page that one test asked for in Chinese leaves its thread in Chinese: not for the next."""
    translation.deactivate()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program. Without one the test is skipped; with REQUIRE_BROWSER=1 it fails."""
    found = find_chromium()
    if found is None and os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail("REQUIRE_BROWSER=1, and there is no Chromium on the PATH")
    if found is None:
        pytest.skip("no Chromium on the PATH")
    return found


def find_chromium() -> str | None:
    """Path of Chromium or Chrome, None without."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)
