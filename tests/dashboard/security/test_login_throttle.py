"""Limits of attempts to log in."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import caches
from django.core.cache.backends import base, locmem
from django.test import AsyncRequestFactory, Client
from django.urls import reverse

from dashboard.pages.account import LoginPage
from dashboard.security import login_throttle
from dashboard.server.front import EVERYONES
from tests.dashboard.lib.valkey_server import running_valkey
from tests.factories import make_user
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.django_db

HERE, THERE = "192.0.2.7", "192.0.2.8"
RIGHT = "quite-long-7"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that stands, for the caches too; nothing is counted yet."""
    moments = [1_000_000_000.0]
    watch = SimpleNamespace(time=lambda: moments[0])
    monkeypatch.setattr(login_throttle, "time", watch.time)
    monkeypatch.setattr(locmem, "time", watch)
    monkeypatch.setattr(base, "time", watch)
    for name in ("default", "without_redis"):
        caches[name].clear()
    return moments


@pytest.fixture
def lin():
    user = make_user("lin.yue")
    user.set_password(RIGHT)
    user.save()
    return user


def log_in(client, password, *, name="lin.yue", address=HERE, **headers):
    data = {"username": name, "password": password}
    return client.post(reverse("login"), data, REMOTE_ADDR=address, **headers)


def test_the_wait_doubles_and_the_page_shows_it(client, lin, clock):
    answers = [log_in(client, "wrong") for _ in range(5)]
    refused = log_in(client, RIGHT)

    assert [answer.status_code for answer in answers] == [200] * 5
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    page = refused.content.decode()
    assert "Too many attempts. Try again in 1 second." in page
    assert 'value="lin.yue"' in page
    assert "Wrong name or password." not in page

    clock[0] += 1
    log_in(client, "wrong")
    translated = log_in(client, RIGHT, HTTP_ACCEPT_LANGUAGE="zh-hans").content.decode()
    assert "尝试次数过多。请在2秒后重试。" in translated


def waits_of_tries(count, clock, *, name="lin", address=HERE, browser=""):
    """Fail that often, each time as soon as it is allowed; return the waits in between."""
    waits = []
    while count:
        if wait_s := login_throttle.seconds_to_wait(name, address, browser):
            waits.append(wait_s)
            clock[0] += wait_s
        else:
            count -= 1
    return waits


def test_waits_grow_to_five_minutes_at_one_address_and_are_forgotten_after_an_hour(clock):
    assert waits_of_tries(16, clock)[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    clock[0] += login_throttle.KEEP_S

    assert [login_throttle.seconds_to_wait("lin", HERE) for _ in range(6)] == [0] * 5 + [1]


def test_many_addresses_share_a_limit_of_a_minute(clock):
    waits = [
        wait
        for number in range(30)
        for wait in waits_of_tries(1, clock, address=f"192.0.2.{number}")
    ]

    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(waits) == 20


def test_a_refused_try_prolongs_nothing(clock):
    waits_of_tries(7, clock)
    waits = [login_throttle.seconds_to_wait("lin", HERE) for _ in range(20)]
    clock[0] += 4

    assert waits == [4] * 20
    assert login_throttle.seconds_to_wait("lin", HERE) == 0


def test_a_stranger_elsewhere_delays_a_person_by_a_minute_at_most(client, lin, clock):
    waits_of_tries(40, clock, name="lin.yue", address=THERE)
    login_throttle.seconds_to_wait("lin.yue", THERE)
    clock[0] += 60

    assert log_in(client, RIGHT).status_code == 302


def test_a_browser_that_has_logged_in_passes(client, lin, clock):
    assert log_in(client, RIGHT).status_code == 302
    client.cookies.pop(settings.SESSION_COOKIE_NAME)
    for address in (THERE, HERE):
        waits_of_tries(20, clock, name="lin.yue", address=address)
    assert log_in(Client(), RIGHT).status_code == 429

    assert log_in(client, RIGHT).status_code == 302


def test_an_address_that_has_logged_in_is_not_delayed_by_tries_elsewhere(client, lin, clock):
    assert log_in(Client(), RIGHT).status_code == 302
    waits_of_tries(40, clock, name="lin.yue", address=THERE)
    login_throttle.seconds_to_wait("lin.yue", THERE)

    assert log_in(Client(), RIGHT).status_code == 302
    assert len(waits_of_tries(20, clock, name="lin.yue", address=HERE)) == 15


def test_mistakes_at_a_known_address_take_nothing_from_the_count_of_all(client, lin, clock):
    assert log_in(Client(), RIGHT).status_code == 302
    waits_of_tries(4, clock, name="lin.yue", address=HERE)
    waits_of_tries(11, clock, name="lin.yue", address=THERE)

    assert log_in(Client(), RIGHT).status_code == 302
    assert login_throttle.seconds_to_wait("lin.yue", "203.0.113.9") > 0


def test_a_known_browser_has_its_own_count_by_a_cookie_that_no_script_reads(client, lin, clock):
    log_in(client, RIGHT)
    cookie = client.cookies[settings.BROWSER_COOKIE_NAME]

    waits = waits_of_tries(12, clock, name="lin.yue", browser=cookie.value)

    assert waits == [1, 2]
    assert login_throttle.seconds_to_wait("lin.yue", HERE) == 0  # another one is not delayed
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert int(cookie["max-age"]) == 365 * 86400


@pytest.mark.parametrize("cookie", ["", "x", "x:y:z", "e30:1abc:sig", "of another"])
def test_a_forged_cookie_and_one_of_another_person_are_none(clock, cookie):
    other = login_throttle.browser_of("chen")
    waits_of_tries(5, clock, name="lin.yue")

    browser = other if cookie == "of another" else cookie
    assert login_throttle.seconds_to_wait("lin.yue", HERE, browser) == 1
    assert login_throttle.seconds_to_wait("chen", HERE, other) == 0


def test_another_address_or_name_is_not_delayed(client, lin):
    for name in ["lin.yue", " LIN.YUE", "ｌｉｎ.yue", "Lin.Yue", "lin.yue "]:
        log_in(client, "wrong", name=name)

    assert log_in(client, "wrong").status_code == 429
    assert log_in(client, "wrong", name="chen").status_code == 200
    assert log_in(client, RIGHT, address=THERE).status_code == 302


def test_a_hundred_guesses_over_many_names_of_one_address_take_an_hour(clock):
    begin, waits = clock[0], []
    for number in range(100):
        waits += waits_of_tries(1, clock, name=f"person-{number}", address=HERE)

    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert clock[0] - begin > 3600


def test_guesses_at_one_address_do_not_delay_another_or_a_known_browser(client, lin, clock):
    log_in(client, RIGHT)
    client.cookies.pop(settings.SESSION_COOKIE_NAME)
    for number in range(40):
        login_throttle.seconds_to_wait(f"person-{number}", HERE)

    assert log_in(client, RIGHT).status_code == 302
    assert log_in(Client(), RIGHT, address=THERE).status_code == 302
    assert log_in(Client(), "wrong", name="chen").status_code == 429


def test_a_guesser_does_not_keep_a_known_name_out_of_a_shared_address(client, lin, clock):
    log_in(Client(), RIGHT)
    waits_of_tries(40, clock, name="guessed", address=HERE)
    for number in range(40):
        login_throttle.seconds_to_wait(f"person-{number}", HERE)

    tries = [log_in(Client(), "wrong").status_code for _ in range(4)]

    assert tries == [200, 200, 200, 429]


def test_names_of_an_address_that_everyone_has_are_counted_alone():
    waits = [
        login_throttle.seconds_to_wait(f"person-{number}", HERE, is_everyones=True)
        for number in range(60)
    ]
    of_one = [login_throttle.seconds_to_wait("lin", HERE, is_everyones=True) for _ in range(6)]

    assert (waits, of_one) == ([0] * 60, [0] * 5 + [1])


def test_behind_a_proxy_that_is_not_trusted_no_name_delays_another(lin):
    answers = []
    for number in range(30):
        data = {"username": f"person-{number}", "password": "wrong"}
        request = AsyncRequestFactory().post(reverse("login"), data)
        request.scope[EVERYONES] = request._dont_enforce_csrf_checks = True
        request.session, request.user = SessionStore(), AnonymousUser()
        answers.append(LoginPage.as_view()(request).status_code)

    assert answers == [200] * 30


def test_colleagues_who_get_it_right_do_not_fill_the_count_of_their_address():
    for number in range(60):
        for _ in range(2):
            assert login_throttle.seconds_to_wait(f"person-{number}", HERE) == 0
        login_throttle.forget(f"person-{number}", HERE)


def test_one_who_gets_it_right_counts_no_more(client, lin):
    for _ in range(20):
        for _ in range(4):
            assert log_in(Client(), "wrong").status_code == 200
        assert log_in(Client(), RIGHT).status_code == 302


def test_a_whole_ipv6_network_is_one_address():
    waits = [login_throttle.seconds_to_wait("lin", f"2001:db8::{n}") for n in range(6)]

    assert waits == [0, 0, 0, 0, 0, 1]
    assert login_throttle.seconds_to_wait("lin", "2001:db8:0:1::1") == 0


def test_of_many_tries_at_once_one_goes_on(clock):
    waits_of_tries(5, clock)
    clock[0] += 1
    with ThreadPoolExecutor(16) as threads:
        waits = list(threads.map(lambda _: login_throttle.seconds_to_wait("lin", HERE), range(64)))

    assert waits.count(0) == 1


@pytest.mark.processes
def test_processes_share_a_count_and_without_redis_each_has_its_own(
    settings, tmp_path, monkeypatch
):
    # Valkey's own clock goes on, and the machine may be slow: no wait of a second.
    long_wait = SimpleNamespace(wait_s=lambda tries: 300 if tries >= 5 else 0)
    monkeypatch.setattr(login_throttle, "OF_A_NAME_AT_AN_ADDRESS", long_wait)
    with running_valkey(tmp_path) as (valkey, process, _client):
        settings.CACHES = {
            **settings.CACHES,
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": valkey.url,
                "KEY_PREFIX": "cache",
            },
        }
        there = (
            "import django; django.setup(); from dashboard.security import login_throttle as a;"
            f"print([a.seconds_to_wait('lin', '{HERE}') for _ in range(3)])"
        )
        environment = {
            **os.environ,
            "DATA_DIR": str(tmp_path),
            "REDIS_URL": valkey.url,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        }
        command = [sys.executable, "-c", there]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

        assert done.stdout == "[0, 0, 0]\n"
        assert [login_throttle.seconds_to_wait("lin", HERE) for _ in range(3)] == [0, 0, 300]
        process.kill()
        process.wait(PATIENCE_S)
        alone = [login_throttle.seconds_to_wait("lin", HERE) for _ in range(6)]
        login_throttle.forget("lin", HERE)

        assert alone == [0] * 5 + [300]
        assert login_throttle.seconds_to_wait("lin", HERE) == 0
