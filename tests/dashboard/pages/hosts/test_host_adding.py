"""Adding a host from the browser, a new key, a revoked one."""

import hashlib
import html
import re
import stat
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.host.base.config import load
from jobs.models import AuditEntry, Host
from tests.dashboard.lib.host_caller import Caller, status
from tests.factories import make_deployment, make_host

ADD = reverse("host-add")


@pytest.fixture(autouse=True)
def addresses(settings):
    settings.PUBLIC_URL = "http://10.0.0.5:8000/bench"
    settings.HOST_REDIS_URL = "redis://host:pw@10.0.0.5:6380/0"


@pytest.fixture
def host():
    return make_host("va16-01", type=Host.Type.VACC)


def command(answer, number):
    """The text of a command of the page, as the copy button takes it."""
    match = re.search(rf'<pre class="cmd" id="c{number}"[^>]*>(.*?)</pre>', answer.text, re.S)
    return html.unescape(match[1])


def add(client, name="va16-01", **fields):
    return client.post(ADD, {"name": name, "slots": "8", **fields})


@pytest.mark.parametrize("is_there", [False, True])
def test_the_commands_make_a_private_file_that_the_worker_reads(
    admin, tmp_path, monkeypatch, is_there
):
    answer, file = add(admin, slots="3"), tmp_path / "vacc" / "host.env"
    file.parent.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    if is_there:  # and others could read it
        file.write_text("old")
        file.chmod(0o644)

    subprocess.run(["sh", "-c", command(answer, 2)], check=True)

    config = load({}, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (config.name, config.dashboard_url) == ("va16-01", "http://10.0.0.5:8000/bench")
    assert config.redis_url == "redis://host:pw@10.0.0.5:6380/0"
    assert status(config.key) == 404  # let in: there is no such job
    assert command(answer, 3) == "make worker ENV=host.env"
    assert Host.objects.get().slots == 3


def test_what_is_copied_is_all_that_a_host_needs(admin, tmp_path):
    line = command(add(admin), 1).partition("|")[0]

    there = tmp_path / "vacc"
    there.mkdir()
    subprocess.run(["sh", "-c", f"{line} | tar -C {there} -xz"], check=True)

    assert {path.name for path in there.iterdir()} == {"Makefile", "bootstrap.py", "jobs", "locks"}
    assert [path.name for path in (there / "locks").iterdir()] == ["requirements-host.txt"]
    alone = "from jobs.host.agent import agent, worker; print(agent.__file__, worker.__file__)"
    output = subprocess.check_output([sys.executable, "-c", alone], cwd=there, text=True)
    assert output.startswith(str(there))


def test_the_unit_leaves_jobs_alone_and_comes_back(admin):
    unit = command(add(admin), 4)

    lines = ("KillMode=process", "Restart=always", "User=$(id -un)", "WorkingDirectory=$PWD")
    for line in lines:
        assert f"\n{line}\n" in unit
    assert "bootstrap.py worker --env host.env\n" in unit


def test_the_key_is_shown_once_and_stored_nowhere(admin):
    answer = add(admin)
    key = re.search(r"HOST_KEY=(\S+)", command(answer, 2))[1]

    assert "no-store" in answer.headers["Cache-Control"]
    assert "This page is shown once." in answer.text
    assert answer.text.count("note warn") == answer.text.count('id="unloaded"')  # hidden
    assert "Other machines" not in admin.get(ADD).text  # all of them reach the dashboard
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.detail) == ("host.add", "host va16-01", {"slots": 8})
    for address in (reverse("host-detail", args=["va16-01"]), ADD, reverse("host-list")):
        assert key not in admin.get(address).text
    again = add(admin)
    assert again.status_code == 422
    assert key not in again.text
    assert "A host of this name already exists." in again.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "Va16"}, "Small letters, digits and hyphens"),
        ({"name": "add_host"}, "Small letters, digits and hyphens"),
        ({"slots": "many"}, "Enter a whole number from 1 to 64."),
    ],
)
def test_an_error_is_at_its_field_and_nothing_is_added(admin, fields, message):
    answer = add(admin, **fields)

    (field,) = fields
    page = answer.text
    assert answer.status_code == 422
    assert message in page.split(f'<div id="{field}-hint">')[1].split("</div>")[0]
    assert f'value="{fields[field]}"' in page
    assert not Host.objects.exists()


@pytest.mark.parametrize(
    ("public_url", "redis_url", "start"),
    [
        (
            "http://127.0.0.1:8000",
            "",
            "BIND=0.0.0.0 \\\n  PUBLIC_URL=http://10.0.0.5:8000 \\\n"
            "  VALKEY_LISTEN=10.0.0.5:6380 \\\n  make run",
        ),
        ("http://gpu7:8000", "", "VALKEY_LISTEN=10.0.0.5:6380 \\\n  make run"),
        (
            "http://gpu7",
            "redis://127.0.0.1/0",
            "HOST_REDIS_URL='redis://host-{host}:{password}@10.0.0.5:6379/0' \\\n  make run",
        ),
    ],
)
def test_unreachable_addresses_are_shown_with_their_fix(
    admin, settings, public_url, redis_url, start
):
    settings.PUBLIC_URL, settings.REDIS_URL = public_url, redis_url
    settings.HOST_REDIS_URL = ""

    for answer in (admin.get(ADD), add(admin)):
        assert start in html.unescape(answer.text)


# Users of Valkey.


@pytest.fixture
def another_redis(settings):
    """A Redis whose users an administrator enters."""
    settings.VALKEY_USERS_FILE = None
    settings.HOST_REDIS_URL = "redis://host-{host}:{password}@10.0.0.5:6380/0"


def test_the_file_has_a_valkey_login_of_this_host_alone(admin, another_redis, settings):
    first, second = add(admin, "va16-01"), add(admin, "va16-02")

    logins = [re.search(r"redis://(\S+)@", command(answer, 2))[1] for answer in (first, second)]
    users, passwords = zip(*(login.split(":") for login in logins), strict=True)
    assert users == ("host-va16-01", "host-va16-02")
    assert len(set(passwords)) == 2
    assert min(map(len, passwords)) >= 40
    assert passwords[0] not in admin.get(reverse("host-detail", args=["va16-01"])).text
    sha256 = hashlib.sha256(passwords[0].encode()).hexdigest()
    assert command(first, 5).startswith(f"ACL SETUSER host-va16-01 reset on #{sha256} ~host.va16")
    settings.HOST_REDIS_URL = "redis://hosts:fixed@10.0.0.5:6380/0"
    assert "ACL SETUSER" not in add(admin, "va16-03").text


def test_revoking_names_the_command_for_another_redis(admin, another_redis, settings):
    add(admin)
    address = reverse("host-revoke-key", args=["va16-01"])

    asked = admin.get(address).text
    settings.VALKEY_USERS_FILE = settings.DATA_DIR / "users.acl"
    of_ours = admin.get(address).text

    assert "<pre" in asked and "ACL DELUSER host-va16-01" in asked
    assert "ACL DELUSER" not in of_ours and "Its Valkey user is removed" in of_ours


def test_a_host_without_a_valkey_user_is_shown_with_the_solution(admin, host, another_redis):
    page = reverse("host-detail", args=["va16-01"])
    assert "No Valkey user." in admin.get(page).text

    admin.post(reverse("host-new-key", args=["va16-01"]))

    assert "No Valkey user." not in admin.get(page).text


# Has it arrived?


def arrival(client, since=0):
    return client.get(reverse("host-arrival", args=["va16-01"]), {"since": since})


def test_the_page_waits_until_the_host_has_reported(admin):
    caller = Caller(make_host("va16-01", type=Host.Type.VACC, heartbeat_at=None, facts={}))
    since = int(time.time()) - 1
    assert "Waiting for va16-01" in arrival(admin, since).text

    caller.beat()
    assert "Waiting for va16-01" in arrival(admin, since).text

    caller.beat(
        facts={
            "dies": [{"id": 0}, {"id": 1}],
            "tools": [{"name": "vamc", "version": "3.4.2", "path": "/v"}],
            "disk": {"free_bytes": 5 * 10**9, "total_bytes": 6 * 10**9},
        }
    )
    page = arrival(admin, since).text
    assert "va16-01 is connected" in page
    assert ">vamc</span>" in page
    assert '<span class="push sub num">2</span>' in page


def test_a_heartbeat_with_the_old_key_is_no_arrival(admin, host):
    Host.objects.update(heartbeat_at=now() - timedelta(seconds=5), protocol=2)

    assert "Waiting for" in arrival(admin, int(time.time())).text
    assert "is connected" in arrival(admin, int(time.time()) - 10).text


def test_another_agent_version_and_a_wrong_clock_are_shown(admin, host):
    Host.objects.update(protocol=7, clock_skew_s=3600.0)

    page = arrival(admin).text

    assert "7: copy the project's files to the host again" in page
    assert f"3{chr(0x202F)}600" in page
    assert "is connected" not in page


# Keys.


def test_a_new_key_asks_first_and_then_refuses_the_old_one(admin, host):
    address = reverse("host-new-key", args=["va16-01"])
    assert "Make a new key for va16-01?" in admin.get(address).text
    assert status("key-of-va16-01") == 404

    answer = admin.post(address)

    key = re.search(r"HOST_KEY=(\S+)", command(answer, 2))[1]
    assert (status("key-of-va16-01"), status(key)) == (401, 404)
    assert "no-store" in answer.headers["Cache-Control"]
    assert AuditEntry.objects.get(action="host.key").detail == {"did": "new"}


def test_revoking_names_what_goes_on_there_first(admin, host):
    deployment = make_deployment(host=host, name="qwen32b")
    address = reverse("host-revoke-key", args=["va16-01"])

    shown = admin.get(address).text
    assert f"/deployments/{deployment.pk}/" in shown
    assert status("key-of-va16-01") == 404

    admin.post(address)
    admin.post(address)

    assert status("key-of-va16-01") == 401
    assert AuditEntry.objects.get(action="host.key").detail == {"did": "revoke"}
    page = admin.get(reverse("host-detail", args=["va16-01"])).text
    assert "Key revoked." in page


@pytest.mark.parametrize("host_type", [Host.Type.THIS_COMPUTER, Host.Type.SIMULATED])
def test_a_key_that_the_dashboard_manages_cannot_be_changed(admin, host_type):
    make_host("here", type=host_type)

    for name in ("host-new-key", "host-revoke-key"):
        assert admin.post(reverse(name, args=["here"])).status_code == 404
    assert status("key-of-here") == 404
