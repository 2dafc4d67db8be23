"""Limits of attempts to log in."""

import os
import subprocess
import sys

import pytest
from django.core.cache import cache
from django.urls import reverse

from dashboard.security import login_throttle
from tests.dashboard.lib.valkey_server import running_valkey
from tests.factories import make_user

pytestmark = pytest.mark.django_db

HERE, THERE = "192.0.2.7", "192.0.2.8"
RIGHT = "quite-long-7"


@pytest.fixture(autouse=True)
def a_clock_that_stands(monkeypatch):
    """Five minutes before the end of a window, and nothing counted yet."""
    moments = [10 * login_throttle.WINDOW_S - 300]
    monkeypatch.setattr(login_throttle, "time", lambda: moments[0])
    cache.clear()
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


def test_five_wrong_passwords_lock_the_login_for_a_shown_time(client, lin):
    answers = [log_in(client, "wrong") for _ in range(5)]
    refused = log_in(client, RIGHT)

    assert [answer.status_code for answer in answers] == [200] * 5
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "300")
    page = refused.content.decode()
    assert "Too many attempts. Try again in 5 minutes." in page
    assert 'value="lin.yue"' in page
    assert "Wrong name or password." not in page


def test_the_lockout_is_translated(client, lin):
    for _ in range(5):
        log_in(client, "wrong")

    page = log_in(client, RIGHT, HTTP_ACCEPT_LANGUAGE="zh-hans").content.decode()

    assert "尝试次数过多。请在5分钟后重试。" in page


def test_the_next_window_lets_in_again(client, lin, a_clock_that_stands):
    for _ in range(9):
        log_in(client, "wrong")
    a_clock_that_stands[0] += 299
    assert log_in(client, RIGHT).status_code == 429
    a_clock_that_stands[0] += 1

    assert log_in(client, RIGHT).status_code == 302


def test_another_address_or_name_is_not_kept_out(client, lin):
    for name in ["lin.yue", " LIN.YUE", "ｌｉｎ.yue", "Lin.Yue", "lin.yue "]:
        log_in(client, "wrong", name=name)

    assert log_in(client, "wrong").status_code == 429
    assert log_in(client, "wrong", name="chen").status_code == 200
    assert log_in(client, RIGHT, address=THERE).status_code == 302


def test_an_address_that_tries_many_names_is_kept_out(client, lin):
    answers = [log_in(client, "wrong", name=f"person-{n}") for n in range(51)]

    assert [answer.status_code for answer in answers[-2:]] == [200, 429]
    assert log_in(client, RIGHT).status_code == 429
    assert log_in(client, RIGHT, address=THERE).status_code == 302


def test_one_who_gets_it_right_counts_no_more(client, lin):
    for _ in range(20):
        for _ in range(4):
            log_in(client, "wrong")
        assert log_in(client, RIGHT).status_code == 302
        client.logout()


def test_a_whole_ipv6_network_is_one_address():
    waits = [login_throttle.seconds_to_wait("lin", f"2001:db8::{n}") for n in range(6)]

    assert waits == [0, 0, 0, 0, 0, 300]
    assert login_throttle.seconds_to_wait("lin", "2001:db8:0:1::1") == 0


@pytest.mark.processes
def test_processes_share_a_count_and_no_redis_lets_people_in(settings, tmp_path):
    with running_valkey(tmp_path) as (valkey, process, _client):
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": valkey.url,
                "KEY_PREFIX": "cache",
            }
        }
        there = (
            "import django; django.setup(); from dashboard.security import login_throttle as a;"
            f"a.time = lambda: {login_throttle.time()};"
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
        process.wait(10)
        assert login_throttle.seconds_to_wait("lin", HERE) == 0
        login_throttle.forget("lin", HERE)
