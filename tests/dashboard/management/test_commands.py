"""Commands of manage.py, those of secrets and sources among them."""

import hashlib
import io
import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils.timezone import now

from dashboard.management.commands import tour
from jobs.access import secret_keys as keys
from jobs.access import secrets
from jobs.host.base.config import load
from jobs.launch import launch
from jobs.logstore import store
from jobs.models import AuditEntry, Host, Instance, Job, Preflight, Result, Secret, Source
from jobs.schedule import agent_tasks, preflights
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.dashboard.lib.commands import both, run
from tests.factories import (
    keep_secret,
    make_guide_weights,
    make_host,
    make_job,
    make_user,
    permit_source,
    secret_values,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def host():
    make_user("admin", is_staff=True)
    return make_host("this-computer", facts={**make_host().facts, "cpu": {"cores": 2}})


def test_launch_stores_the_plan_that_plan_printed_as_a_script(host):
    script = run("plan", "prepare", "--set", "what=weights")

    assert subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode == 0
    assert script.startswith("#!/usr/bin/env bash\n# prepare: plan ")
    assert Job.objects.count() == 0

    output = run("launch", "prepare", "--set", "what=weights")

    job = Job.objects.get()
    assert output == f"job {job.pk}: prepare {job.title}\n"
    assert job.plan_sha256 in script
    assert job.created_by.username == "admin"
    assert AuditEntry.objects.get().subject == f"job {job.pk}"


def test_launch_previews_once_and_prints_the_blocked_checks(monkeypatch):
    make_user("admin", is_staff=True)
    host = make_host("va16-01", facts=dict(GUIDE_FACTS))
    weights = make_guide_weights(host=host)
    held = {"port": 8000, "holder": "nginx (process 7)"}

    def answer(_host, _command, number):
        finding = {"name": "port", "level": "failed", "message_id": "check:port_held"}
        preflights.answer(Preflight.objects.get(pk=number), [finding | {"message_args": held}])

    monkeypatch.setattr(agent_tasks, "send", answer)
    monkeypatch.setattr(transaction, "on_commit", lambda call, **_: call())
    arguments = ["--host", "va16-01", "--set", f"weights={weights.pk}", "--set", "port=8000"]
    previewed = Mock(wraps=launch.preview)
    monkeypatch.setattr(launch, "preview", previewed)
    _out, errors = both("launch", "deploy-vllm", *arguments)

    assert previewed.call_count == 1
    assert "blocked: Port 8000 is in use by nginx (process 7)." in errors
    assert Job.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "Unknown job type 'fly'"),
        (["prepare", "--set", "what"], "--set what: write it as key=value"),
        (["prepare", "--set", "wings=2"], "prepare has no field 'wings'. Fields: "),
        (["prepare", "--host", "moon"], "No host is named 'moon'. Hosts: "),
        (["compile"], "weights: "),
    ],
)
def test_a_wrong_launch_says_what_is_wrong(host, arguments, message):
    with pytest.raises(CommandError, match=message):
        run("launch", *arguments)

    assert Job.objects.count() == 0


def test_a_field_of_several_values_takes_commas():
    raw = tour.base.raw_params("benchmark", ["concurrency=1,8", "requests=4"])

    assert raw == {"concurrency": ["1", "8"], "requests": "4"}


def test_log_prints_the_bytes_or_what_a_terminal_would_show(capfdbinary):
    job = make_job()
    store().append(f"job/{job.pk}", 0, b"\x1b[31mred\x1b[0m\n10 %\r90 %\n")

    call_command("log", str(job.pk))
    shown = capfdbinary.readouterr().out
    call_command("log", str(job.pk), "--raw")

    assert shown == b"red\n90 %\n"
    assert capfdbinary.readouterr().out == b"\x1b[31mred\x1b[0m\n10 %\r90 %\n"


@pytest.mark.parametrize("state", ["succeeded", "failed", "errored", "cancelled", "lost"])
def test_following_an_ended_job_ends_with_its_last_byte_and_its_exit_code(state, capfdbinary):
    job = make_job(state=state)
    store().append(f"job/{job.pk}", 0, b"all of it")

    with nullcontext() if state == "succeeded" else pytest.raises(SystemExit, match="1"):
        call_command("log", str(job.pk), "--follow")

    assert capfdbinary.readouterr().out == b"all of it"
    call_command("log", str(job.pk))  # without --follow the command has done its task


def test_following_says_each_new_message_on_a_line_of_its_own():
    job = make_job(state="succeeded")
    store().append(f"job/{job.pk}", 0, b"no newline at the end")
    output = StringIO()

    assert b"".join(tour.base.follow(job.pk, output)) == b"no newline at the end"
    assert output.getvalue().startswith(f"── prepare #{job.pk} {job.title}: succeeded.")


def test_a_host_is_added_with_the_file_that_its_worker_reads(settings, tmp_path, monkeypatch):
    settings.PUBLIC_URL = "http://10.0.0.5:8000/bench"
    settings.HOST_REDIS_URL = "redis://:it's@10.0.0.5:6379/0"
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "host.env"

    file.write_text(run("add_host", "va16-01"))

    config = load({}, file)
    host = Host.objects.get()
    assert (config.name, config.dir) == (host.name, tmp_path / "vacc-host")
    assert config.dashboard_url == settings.PUBLIC_URL
    assert config.redis_url == settings.HOST_REDIS_URL
    assert host.key_sha256 == hashlib.sha256(config.key.encode()).hexdigest()
    assert AuditEntry.objects.get().subject == "host va16-01"
    with pytest.raises(CommandError, match=r"Not added.\nname: A host of this name already exists"):
        run("add_host", "va16-01")


def test_a_host_is_added_with_the_command_for_another_redis(settings):
    settings.HOST_REDIS_URL = "redis://host-{host}:{password}@10.0.0.5:6379/0"

    _out, errors = both("add_host", "va16-01")

    sha256 = Host.objects.get().valkey_sha256
    assert f"your Redis: ACL SETUSER host-va16-01 reset on #{sha256} " in errors


@pytest.mark.parametrize(
    ("public_url", "redis_url", "for_hosts", "missing"),
    [
        ("http://127.0.0.1:8000", "", "", ["PUBLIC_URL", "VALKEY_LISTEN"]),
        ("http://10.0.0.5:8000", "redis://cache/0", "", ["HOST_REDIS_URL"]),
        ("http://10.0.0.5:8000", "redis://cache/0", "redis://localhost/0", ["HOST_REDIS_URL"]),
        ("http://10.0.0.5:8000", "redis://cache/0", "unix:///run/x.sock", ["HOST_REDIS_URL"]),
        ("https://bench.example", "redis://cache/0", "rediss://cache.example/0", []),
    ],
)
def test_unreachable_addresses_are_reported(settings, public_url, redis_url, for_hosts, missing):
    settings.PUBLIC_URL, settings.HOST_REDIS_URL = public_url, for_hosts
    settings.REDIS_URL = redis_url

    _out, errors = both("add_host", "va16-01")

    names = ("PUBLIC_URL", "VALKEY_LISTEN", "HOST_REDIS_URL")
    assert [name for name in names if name in errors] == missing


def test_without_wait_the_tour_of_five_kinds_returns_at_once_and_goes_on(host):
    report = json.loads(run("tour", "--json"))

    stations = Job.objects.filter(pk__in=[job["id"] for job in report["jobs"]])
    assert {job.kind for job in stations} == tour.TOUR_KINDS
    assert stations.values("chain").distinct().count() == 1
    assert (report["succeeded"], report["accuracy"]) == (False, None)
    assert json.loads(run("tour", "--json")) == report


def test_a_past_tour_does_not_block_a_new_one(host):
    make_host("far", facts=host.facts)
    first = json.loads(run("tour", "--json", "--host", "far"))
    Job.objects.filter(kind="evaluate").update(state="failed", finished_at=now())

    second = json.loads(run("tour", "--json"))
    third = json.loads(run("tour", "--json", "--host", "far"))

    numbers = [{job["id"] for job in report["jobs"]} for report in (first, second, third)]
    assert not (numbers[0] & numbers[1] or numbers[1] & numbers[2] or numbers[0] & numbers[2])


def test_an_evaluation_with_its_own_environment_is_no_tour(host):
    make_job(kind="evaluate", host=host, chain="00000000-0000-0000-0000-000000000001")

    assert tour.running_tour(host) is None


def test_the_tour_waits_for_a_host_that_has_not_reported(host, monkeypatch):
    Host.objects.filter(pk=host.pk).update(facts={})
    monkeypatch.setattr(tour, "HOST_WAIT_S", 0.0)

    with pytest.raises(CommandError, match="has not reported yet"):
        run("tour")


def test_a_waited_tour_that_was_cancelled_is_an_exit_code(host, monkeypatch):
    def cancel(number, out, watch):
        Job.objects.filter(pk=number).update(state="cancelled", finished_at="2026-01-01T00Z")
        return ()

    monkeypatch.setattr(tour.base, "follow", cancel)

    with pytest.raises(SystemExit) as ended:
        run("tour", "--wait")

    assert ended.value.code == 1


def test_the_report_of_a_tour_is_what_its_results_hold(host):
    chain = "00000000-0000-0000-0000-000000000001"
    first = make_job(state="succeeded", chain=chain, host=host)
    made = Job.objects.get(pk=first.pk).created_at
    Job.objects.filter(pk=first.pk).update(finished_at=made + timedelta(seconds=90))
    Result.objects.create(
        job=first, type="evaluation", host=host, metrics={"accuracy": 0.5, "questions": 120}
    )

    report = tour.report_of(first.chain)

    assert (report["succeeded"], report["accuracy"], report["questions"]) == (True, 0.5, 120)
    assert report["jobs"][0]["state"] == "succeeded"
    assert report["seconds"] == 90.0
    make_job(chain=chain, host=host)
    assert tour.report_of(first.chain)["seconds"] is None


def test_preparing_a_run_twice_changes_nothing_the_second_time(settings, monkeypatch):
    settings.DATA_DIR.mkdir(exist_ok=True)
    settings.STATIC_ROOT = settings.DATA_DIR / "staticfiles"
    settings.REDIS_URL = "unix:///tmp/x.sock?db=0"

    first = run("setup", "--dashboard-url", "http://127.0.0.1:1")
    rows = [list(model.objects.values()) for model in (Host, Instance, User)]
    host_env = (settings.DATA_DIR / "host" / "host.env").read_text()
    second = run("setup", "--dashboard-url", "http://127.0.0.1:1")

    assert "Log in as   admin" in first
    assert second == ""
    assert [list(model.objects.values()) for model in (Host, Instance, User)] == rows
    assert (settings.DATA_DIR / "host" / "host.env").read_text() == host_env
    assert "HOST_NAME=this-computer\nDASHBOARD_URL=http://127.0.0.1:1\n" in host_env
    assert User.objects.get().is_staff


def test_a_weak_first_password_stops_the_start(settings):
    settings.ENV = replace(settings.ENV, admin_password="abcdefgh")
    settings.DEBUG = True  # no static files

    with pytest.raises(CommandError, match="ADMIN_PASSWORD: This password is too short"):
        run("setup", "--dashboard-url", "http://127.0.0.1:1")

    assert not User.objects.exists()


VALUE = "hf_0123456789"


@pytest.fixture
def typed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{VALUE}\n"))


HUB = ("--purpose", "hub", "--endpoint", "https://huggingface.co")


def test_a_value_comes_from_standard_input_and_rules_from_options(typed):
    make_host("va16-01")
    make_user("lin")

    said = run("set_secret", "HF_TOKEN", *HUB, "--host", "va16-01", "--person", "lin")

    assert said == "HF_TOKEN saved.\n"
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    listed = run("list_secrets").splitlines()
    assert listed[1].split() == ["HF_TOKEN", "hub", "https://huggingface.co", "va16-01", "lin"]
    assert VALUE not in "".join(listed)
    assert AuditEntry.objects.get().user is None
    assert run("delete_secret", "HF_TOKEN") == "HF_TOKEN deleted.\n"
    assert secrets.names() == []


def test_rules_change_without_the_value():
    keep_secret("API_KEY", VALUE, purpose="hub")

    run("set_secret", "API_KEY", "--purpose", "engine", "--keep-value")

    assert Secret.objects.get().purpose == "engine"
    assert secret_values(["API_KEY"]) == {"API_KEY": VALUE}
    assert "all deployments" in run("list_secrets")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set_secret", "token", *HUB), "name: Use capital letters"),
        (("set_secret", "HF_TOKEN", *HUB, "--keep-value"), "value: Enter the secret's value."),
        (("delete_secret", "HF_TOKEN"), "No secret is named 'HF_TOKEN'. Secrets: none"),
    ],
)
def test_an_error_of_a_secret_says_what_is_wrong(typed, arguments, message):
    with pytest.raises(CommandError, match=message.replace("(", "\\(")):
        run(*arguments)

    assert secrets.names() == []


def test_the_key_is_rotated_if_its_file_is_there():
    keep_secret("HF_TOKEN", VALUE)
    before = keys.load()

    assert run("rotate_secrets_key").startswith("1 secrets encrypted")

    assert keys.load() != before
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    assert AuditEntry.objects.get().detail == {"did": "rotate", "secrets": 1}
    keys.key_file().unlink()
    with pytest.raises(CommandError, match=r"Nothing changed\. The key file of secrets is missing"):
        run("rotate_secrets_key")


def test_a_start_with_a_bad_key_file_goes_on_and_names_it(settings):
    settings.DEBUG = True  # collects no static files
    keep_secret("HF_TOKEN", VALUE)
    keys.key_file().write_text("no key")

    _out, errors = both("setup", "--dashboard-url", "http://127.0.0.1:1")

    assert f"holds no valid key: {keys.key_file()}" in errors


GIT = "https://git.example/team"


def test_a_source_is_added_listed_and_deleted():
    said = run("add_source", "git", GIT, "--note", "ours")
    row = Source.objects.get()
    assert said == f"{GIT} added as source {row.pk}.\n"
    permit_source("https://git.example/hers", user=make_user("ada"))
    lines = run("list_sources").splitlines()
    assert [str(row.pk), "git", GIT, "manage.py", "ours"] in [line.split() for line in lines]
    assert any(line.split()[2:4] == ["https://git.example/hers", "ada"] for line in lines)
    assert any(line.split()[1:4] == ["hub", "https://hf-mirror.com", "included"] for line in lines)

    assert run("delete_source", row.pk) == f"{GIT} removed.\n"

    assert not Source.objects.filter(address=GIT).exists()
    entries = AuditEntry.objects.order_by("pk")
    assert [(one.user, one.detail["did"]) for one in entries] == [(None, "add"), (None, "delete")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add_source", "git", "http://git.example"), r"Not added\.(.|\n)*address: Enter a web"),
        (("add_source", "data", GIT), "invalid choice: 'data'"),
        (("delete_source", "7"), r"There is no source 7\. See: manage\.py list_sources"),
    ],
)
def test_an_error_of_a_source_says_what_is_wrong(arguments, message):
    with pytest.raises(CommandError, match=message):
        run(*arguments)

    assert not Source.objects.exists()
