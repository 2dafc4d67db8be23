"""Forged headers, an https address and the login, over HTTP to a real web process."""

import subprocess
import sys

import pytest

from tests.dashboard.lib.web_server import NAME, PASSWORD, Browser, running_web
from tests.stack import ROOT, clean_environment

pytestmark = pytest.mark.processes

HTTPS = {"PUBLIC_URL": "https://bench.lan/vacc", "TRUSTED_PROXIES": "127.0.0.2"}
AT_HTTPS = {"Host": "bench.lan", "Referer": "https://bench.lan/vacc/login/"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A web process without settings."""
    with running_web(tmp_path_factory.mktemp("plain")) as running:
        yield running


@pytest.fixture(scope="module")
def https(tmp_path_factory):
    """One with an https address, behind a proxy at 127.0.0.2."""
    with running_web(tmp_path_factory.mktemp("https"), environ=HTTPS) as running:
        yield running


def known_browser(server, **headers):
    """A browser with the server's own cookie."""
    browser = Browser(server.port, headers=headers)
    browser.know(server)
    return browser


def guesses(port, count, *, source="127.0.0.1", name=NAME, path="/login/", **headers):
    """Wrong passwords, each with another forged address; the status of each."""
    statuses = []
    for number in range(count):
        browser = Browser(port, source, headers)
        forged = {"X-Forwarded-For": f"198.51.100.{number}"}
        statuses.append(browser.log_in("wrong", name=name, path=path, headers=forged).status)
    return statuses


def test_sixty_forged_addresses_are_one_address(plain):
    statuses = guesses(plain.port, 60, name="forged")

    assert statuses[:5] == [200] * 5
    assert statuses.count(200) < 20  # the machine's time between them lets some more in


def test_one_who_fails_keeps_neither_others_nor_a_known_browser_out(plain):
    guesses(plain.port, 20, name="somebody-else")
    known = Browser(plain.port)
    assert known.log_in(PASSWORD).status == 302
    guesses(plain.port, 12)
    for cookie in [name for name in known.cookies if name.startswith("sessionid")]:
        del known.cookies[cookie]

    assert known.log_in(PASSWORD).status == 302


def test_a_trusted_proxy_names_the_address(https):
    """A name from all addresses has twice as many tries as from one."""
    statuses = guesses(
        https.port, 10, source="127.0.0.2", name="spread", path="/vacc/login/", **AT_HTTPS
    )

    assert statuses == [200] * 10


def test_an_https_address_is_never_asked_without_tls_again(https, plain):
    page = Browser(https.port, headers=AT_HTTPS).ask("/vacc/login/")

    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in Browser(plain.port).ask("/login/").headers


def test_a_page_at_another_address_goes_to_https(https):
    answer = Browser(https.port).ask("/vacc/jobs/?state=failed")

    assert answer.status == 301
    assert answer.headers["location"] == "https://bench.lan/vacc/jobs/?state=failed"


@pytest.mark.parametrize(
    "path", ["/vacc/healthz", "/vacc/api/v1/jobs", "/vacc/api/v1/host/heartbeat"]
)
def test_programs_may_ask_at_the_loopback_address(https, path):
    assert Browser(https.port).ask(path).status in (200, 401, 405, 503)


def test_cookies_of_an_https_address_are_secure(https):
    browser = Browser(https.port, headers=AT_HTTPS)
    answer = browser.log_in(PASSWORD, path="/vacc/login/")

    assert answer.status == 302
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("host", ["bench.lan", "127.0.0.1"])
def test_the_next_page_of_a_list_is_at_the_public_address(https, host):
    https.shell(
        "from tests.factories import make_job; from jobs.models import Job, Host;"
        "[make_job(host=Host.objects.first(), state='failed') for _ in range(2)]"
    )
    answer = known_browser(https, Host=host).ask("/vacc/api/v1/jobs?limit=1")

    assert '"next": "https://bench.lan/vacc/api/v1/jobs?limit=1&before=' in answer.text


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("/jobs/", "private, no-store"),
        ("/login/", "max-age=0, no-cache, no-store, must-revalidate, private"),
        ("/api/v1/jobs", "private, no-store"),
        ("/no/such/page/", "private, no-store"),
        ("/jsi18n/", "max-age=3600, private"),
    ],
)
def test_nobody_stores_a_page(plain, path, stored):
    assert known_browser(plain).ask(path).headers["cache-control"] == stored


def test_static_files_may_be_stored(plain):
    answer = Browser(plain.port).ask("/static/js/app.js")

    assert (answer.status, "no-store" in answer.headers["cache-control"]) == (200, False)


@pytest.mark.parametrize("path", ["/%00", "/" + "a" * 5000, "//login/", "/%ff", "/login/?next=//x"])
def test_no_path_is_an_error_of_ours(plain, path):
    assert Browser(plain.port).ask(path).status < 500


def test_the_deployment_check_of_django_finds_nothing(tmp_path):
    environ = clean_environment() | {"DATA_DIR": str(tmp_path), "PUBLIC_URL": "https://bench.lan"}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr
