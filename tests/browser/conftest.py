"""A real browser, logged in, that notes everything a page complains of."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.lib.checks import Inspector
from tests.browser.lib.visits import ARGUMENTS, PATIENCE_MS, WIDE, Complaints, Visitor, own_window
from tests.dashboard.lib.socket_server import Server, running_server
from tests.stack import Stack

expect.set_options(timeout=PATIENCE_MS)
# The pages of a dashboard without a job first, then the tour, then what needs its results.
ORDER = ("test_empty_pages.py", "test_tour.py", "test_every_page.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests below this folder into their order; others stay where they are."""
    here = Path(__file__).parent
    ours = [index for index, item in enumerate(items) if here in item.path.parents]
    ordered = sorted((items[index] for index in ours), key=_place)
    for index, item in zip(ours, ordered, strict=True):
        items[index] = item


def _place(item: pytest.Item) -> int:
    return ORDER.index(item.path.name) if item.path.name in ORDER else len(ORDER)


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for this folder, ended with it: it keeps an event loop in the thread."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="package")
def visitor(browser: Browser, stack: Stack) -> Visitor:
    return Visitor(browser, stack)


@pytest.fixture(scope="package")
def person(visitor: Visitor) -> Iterator[BrowserContext]:
    with visitor.context(logged_in=True) as context:
        yield context


@pytest.fixture(scope="package")
def reader(visitor: Visitor) -> Iterator[BrowserContext]:
    """A window of the administrator in a browser that asks for Chinese."""
    with visitor.context(logged_in=True, locale="zh-CN") as context:
        yield context


@pytest.fixture(scope="package")
def inspector(person: BrowserContext) -> Inspector:
    return Inspector(person)


@pytest.fixture(scope="package")
def chinese_inspector(reader: BrowserContext) -> Inspector:
    return Inspector(reader)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A web server by itself, with a job whose log a test writes."""
    folder = tmp_path_factory.mktemp("viewer") / "data"
    folder.mkdir()
    with running_server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A web server for the tests of one file, which fill it with records of their own."""
    folder = tmp_path_factory.mktemp("own") / "data"
    folder.mkdir()
    with running_server(folder) as running:
        yield running


@pytest.fixture
def log(server: Server) -> Callable[[bytes], int]:
    key = f"job/{server.job}"
    for file in server.logs.path(key).parent.glob(f"{server.job}.*"):
        file.unlink()
    server.set_steps()
    return lambda data: server.logs.append(key, server.logs.size(key), data)


@pytest.fixture
def complaints() -> Complaints:
    """Complaints of the pages of ``open_page``. There must be none at the end."""
    return Complaints()


@pytest.fixture
def open_page(
    browser: Browser, server: Server, complaints: Complaints
) -> Iterator[Callable[..., Page]]:
    """A function that opens the job's page; nothing may be complained of until the end."""
    with own_window(browser, server, viewport=WIDE) as context:
        complaints.listen(context)

        def open_it(fragment: str = "") -> Page:
            page = context.new_page()
            page.goto(f"/jobs/{server.job}/{fragment}")
            return page

        yield open_it
        assert complaints == []
