"""A real browser, logged in, that notes everything a page complains of."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.lib.checks import Inspector
from tests.browser.lib.log_panel import lines, row
from tests.browser.lib.visits import ARGUMENTS, PATIENCE_MS, checked, open_window
from tests.dashboard.lib.socket_server import Server, running_server
from tests.stack import Stack

CHUNK_BYTES = 1_000_000
expect.set_options(timeout=PATIENCE_MS)
SERVED = """
from django.utils.timezone import now, timedelta
from jobs.models import Host
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_endpoint, make_host
host = Host.objects.first()
host.heartbeat_at = now() + timedelta(hours=2)  # the best host until the tests are over
host.save()
for most in (4096, 100):
    details = {"engine": "vllm", "stack": "vllm-cpu", "max_total": most, "max_input": most}
    print(make_deployment(host=host, details=details).pk)
make_host("va16-01", type="vacc", facts=dict(GUIDE_FACTS))
print(make_endpoint("H800").pk)
"""
# The pages of a dashboard without a job first, then the tour, then what needs its results.
ORDER = ("test_empty_pages.py", "test_tour.py", "test_tours_pages.py")


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
def person(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """A window of the administrator of the whole dashboard."""
    with open_window(browser, stack) as window:
        yield window


@pytest.fixture(scope="package")
def started_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("viewer") / "data"
    folder.mkdir()
    with running_server(folder, debug=False) as running:
        yield running


@pytest.fixture(scope="module")
def server(started_server: Server) -> Server:
    """A web server by itself, without the records that the tests of another file have made."""
    started_server.begin_anew()
    return started_server


@pytest.fixture(scope="package")
def window(browser: Browser, started_server: Server) -> Iterator[BrowserContext]:
    """A window of the server's user. A new one loads all files again, which takes a second."""
    with open_window(browser, started_server) as opened:
        yield opened


@pytest.fixture(scope="package")
def inspector(browser: Browser, started_server: Server) -> Iterator[Inspector]:
    with open_window(browser, started_server) as opened:
        yield Inspector(opened)


@pytest.fixture
def open_page(window: BrowserContext, server: Server) -> Iterator[Callable[..., Page]]:
    """A function that opens a page; nothing may be complained of until the test's end."""
    with checked(window) as opens:
        yield opens


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


@pytest.fixture(scope="module")
def served(server: Server) -> list[str]:
    """Numbers: a server of vLLM with a long context, one with a short one, an endpoint. There is a
    host with cards, too."""
    return server.shell(SERVED)


@pytest.fixture
def log(server: Server) -> Callable[[bytes], None]:
    """A function that adds to the log of the server's job as a shipper does. It is empty before."""
    key = f"job/{server.job}"
    for file in server.logs.path(key).parent.glob(f"{server.job}.*"):
        file.unlink()
    server.set_steps()

    def add(data: bytes) -> None:
        begin = server.logs.size(key)
        for at in range(0, len(data), CHUNK_BYTES):
            server.logs.append(key, begin + at, bytes(data[at : at + CHUNK_BYTES]))

    return add


@pytest.fixture
def open_log(open_page: Callable[..., Page], server: Server) -> Callable[..., Page]:
    """A function that opens the page of that job at a fragment."""
    return lambda fragment="": open_page(f"/jobs/{server.job}/{fragment}")


@pytest.fixture
def open_lines(
    log: Callable[[bytes], None], open_log: Callable[..., Page]
) -> Callable[[int], Page]:
    """A function that opens a log of so many lines at its end."""

    def open_them(count: int) -> Page:
        log(lines(1, count))
        page = open_log()
        row(page, count).wait_for()
        return page

    return open_them
