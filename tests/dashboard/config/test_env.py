"""Settings from the environment."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from redis.connection import parse_url

from dashboard.config import env
from dashboard.config.env import BadVariable
from jobs.base.valkey import for_celery
from jobs.host.base import config

ROOT = Path(__file__).parents[3]
SETTINGS = ROOT / "docs/run/settings.md"


def test_nothing_has_to_be_set():
    environment = env.load({"PORT": "", "TIME_ZONE": ""})

    wanted = {"port": 8000, "bind": "127.0.0.1", "data_dir": ROOT / "data", "database_url": ""}
    wanted |= {"redis_url": "", "wheels_dir": None, "time_zone": "UTC"}
    wanted |= {"retention_age_s": None, "retention_size_bytes": None}
    assert {name: getattr(environment, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "0", "a whole number from 1 to 65535"),
        ("PORT", "8OOO", "a whole number from 1 to 65535"),
        ("WEB_PROCESSES", "0", "a whole number from 1 to 16"),
        ("PUBLIC_URL", "gpu7:8000", "an address such as"),
        ("PUBLIC_URL", "http://gpu7/?x=1", "an address such as"),
        ("NGINX_FILES", "nginx-files", "a path with a slash at both ends"),
        ("NGINX_FILES", "/", "a path with a slash at both ends"),
        ("TRUSTED_PROXIES", "proxy.lan", "addresses and networks, such as"),
        ("TRUSTED_PROXIES", "10.0.0.1/16", "addresses and networks, such as"),
        ("TRUSTED_PROXIES", "*", "addresses and networks, such as"),
        ("DATABASE_URL", "mysql://h/d", "postgres://USER:PASSWORD@HOST:PORT/NAME"),
        ("REDIS_URL", "127.0.0.1:6379", "redis://HOST:PORT/DB"),
        ("TIME_ZONE", "Mars/Olympus", "Asia/Shanghai"),
        ("HOST_LOST_AFTER", "soon", "a length of time above 0"),
        ("HOST_LOST_AFTER", "0h", "a length of time above 0"),
        ("QUEUE_LIMIT", "0", "a whole number from 1 to 1000000"),
        ("RETENTION_AGE", "a while", "a length of time above 0"),
        ("RETENTION_AGE", "90", 'a length of time above 0 with its unit, such as "90d"'),
        ("RETENTION_AGE", "1000000d", "36500d at most"),
        ("RETENTION_SIZE", "200", 'a size above 0 with its unit, such as "500M", "200G" or "1.5T"'),
        ("RETENTION_SIZE", "0G", "a size above 0"),
        ("RETENTION_SIZE", "-5G", "a size above 0"),
        ("LOG_LEVEL", "loud", "DEBUG, INFO, WARNING, ERROR"),
        ("WHEELS_DIR", "/no/such/folder", "a folder that exists"),
        ("DEBUG", "yes", "1 or 0"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(name, value, allowed):
    with pytest.raises(BadVariable) as raised:
        env.load({name: value})

    assert str(raised.value).startswith(f"{name}={value} will not do; allowed: ")
    assert allowed in str(raised.value)


def test_a_wrong_address_with_a_password_is_not_printed():
    with pytest.raises(BadVariable) as raised:
        env.load({"DATABASE_URL": "mysql://me:hunter2@h/d"})

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("HOST_LOST_AFTER", text, s) for text, s in {"90": 90, "90s": 90, "1.5m": 90}.items()),
        *(("HOST_LOST_AFTER", "24h", 86400), ("RETENTION_AGE", "90d", 90 * 86400)),
        *(("RETENTION_SIZE", "500M", 500e6), ("RETENTION_SIZE", "200GB", 200e9)),
        *(("RETENTION_SIZE", "1.5T", 1.5e12), ("RETENTION_SIZE", "3 kB", 3e3)),
    ],
)
def test_times_and_sizes_have_units(name, text, value):
    fields = {"RETENTION_AGE": "retention_age_s", "RETENTION_SIZE": "retention_size_bytes"}

    environment = env.load({name: text})

    assert getattr(environment, fields.get(name, "host_lost_after_s")) == value


def test_letting_other_machines_in_needs_a_public_url():
    with pytest.raises(BadVariable, match="set PUBLIC_URL"):
        env.load({"BIND": "0.0.0.0"})

    environment = env.load({"BIND": "0.0.0.0", "PUBLIC_URL": "http://gpu7:8000/vacc/"})
    assert environment.public_url == "http://gpu7:8000/vacc"


def test_a_second_terminal_needs_to_know_the_data_folder_alone(tmp_path):
    remembered = {"environ": {"PORT": "9001", "DATABASE_URL": "postgres://h/d", "TIME_ZONE": "UTC"}}
    (tmp_path / env.RUN_FILE).write_text(json.dumps(remembered))

    environment = env.load_remembering({"DATA_DIR": str(tmp_path), "TIME_ZONE": "Asia/Shanghai"})

    assert (environment.port, environment.database_url) == (9001, "postgres://h/d")
    assert environment.time_zone == "Asia/Shanghai"  # the present value has priority


def test_an_unreadable_memory_of_the_last_start_is_said_once(tmp_path, caplog):
    assert env.run_facts(tmp_path) == {}
    assert not caplog.text
    (tmp_path / env.RUN_FILE).write_text("{")

    assert [env.run_facts(tmp_path), env.run_facts(tmp_path)] == [{}, {}]
    assert caplog.text.count("run.json does not count") == 1


def test_the_secret_key_is_made_once_and_private(tmp_path):
    environment = env.load({"DATA_DIR": str(tmp_path)})
    (tmp_path / env.RUN_FILE).touch()

    first = env.secret_key(environment)

    assert len(first) >= 50
    assert env.secret_key(environment) == first
    assert env.secret_key(env.load({"DATA_DIR": str(tmp_path), "SECRET_KEY": "mine"})) == "mine"
    path = tmp_path / "secrets" / "secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["secret_key"]


def test_without_a_dashboard_secrets_stay_in_the_process(tmp_path):
    (tmp_path / "empty").mkdir()
    variables = {"DATA_DIR": str(tmp_path / "empty"), "VALKEY_LISTEN": "127.0.0.1:6380"}
    environment = env.load(variables)

    assert len(env.secret_key(environment)) >= 50
    assert env.host_redis_url(environment)
    assert list((tmp_path / "empty").iterdir()) == []


def test_sqlite_is_the_database_unless_another_is_named(tmp_path):
    database = env.database(env.load({"DATA_DIR": str(tmp_path)}))
    elsewhere = env.database(env.load({"DATABASE_URL": "sqlite:////x/y.db"}))

    assert database["ENGINE"] == "django.db.backends.sqlite3"
    assert (database["NAME"], elsewhere["NAME"]) == (tmp_path / "db.sqlite3", "/x/y.db")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_a_postgresql_address_is_taken_apart_and_may_be_a_socket():
    url = "postgres://me:p%40ss@db.lan:5433/bench?sslmode=require"

    database = env.database(env.load({"DATABASE_URL": url}))
    on_socket = env.database(env.load({"DATABASE_URL": "postgresql://p:@/p?host=/tmp/pg"}))

    parts = [database[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")]
    assert parts == ["bench", "me", "p@ss", "db.lan", "5433", {"sslmode": "require"}]
    assert on_socket["HOST"] == "/tmp/pg"
    # Each request runs in a thread of its own: a connection left open there is never used again.
    assert database["CONN_MAX_AGE"] == 0


def test_the_two_spellings_of_a_socket_say_the_same():
    url = "unix:///tmp/vacc-x/valkey.sock?db=3"

    assert for_celery(url) == "redis+socket:///tmp/vacc-x/valkey.sock?virtual_host=3"
    assert env.load({"REDIS_URL": url}).redis_url == url
    with pytest.raises(BadVariable, match="REDIS_URL"):
        env.load({"REDIS_URL": for_celery(url)})
    assert parse_url(url)["path"] == "/tmp/vacc-x/valkey.sock"


def test_the_docs_list_every_variable():
    table = SETTINGS.read_text()

    for name, read in env.variables().items():
        default = f"`{read.default}`" if read.default else ""
        assert f"| `{name}` | {default} | " in table


def documented_rows():
    """Variable -> its default in the docs."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| .+ \|$", SETTINGS.read_text(), re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def test_the_docs_list_every_setting_of_a_host(tmp_path):
    read = (ROOT / "jobs/host/base/config.py").read_text()
    named = set(re.findall(r'"((?:AGENT|HOST|DASHBOARD|REDIS|WHEELS)_[A-Z_]+)"', read))

    assert named == set(host_config(tmp_path).as_environment())
    assert named <= set(documented_rows())


@pytest.mark.parametrize(
    "name",
    [
        *("HOST_PORTS", "HOST_MOUNT", "HOST_ROOT", "HOST_SCALE", "HOST_LOG_LIMIT"),
        *("HOST_DISK_RESERVE", "HOST_SERVER_LOG_KEEP", "HOST_KEEP_SPOOLS"),
    ],
)
def test_what_holds_unless_it_is_set_is_what_the_docs_say(name, tmp_path):
    assert host_config(tmp_path, **{name: documented_rows()[name]}) == host_config(tmp_path)


def test_the_readme_lists_every_other_environment_variable():
    folders = (ROOT / "dashboard", ROOT / "jobs" / "host")
    files = [ROOT / "bootstrap.py", *(file for each in folders for file in each.rglob("*.py"))]
    names = {
        name
        for file in files
        for name in re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', file.read_text())
    }

    assert {"DATA_DIR", "WHEELS_DIR"} < names
    assert names - {"PATH", "DJANGO_SETTINGS_MODULE"} <= set(documented_rows())


def host_config(folder, **more):
    variables = {"HOST_NAME": "x", "HOST_KEY": "k", "HOST_DIR": str(folder)}
    addresses = {"DASHBOARD_URL": "http://h", "REDIS_URL": "redis://h"}
    return config.load(variables | addresses | more)


def test_the_bootstrap_parses_on_old_pythons():
    source = (ROOT / "bootstrap.py").read_text()

    compile(source, "bootstrap.py", "exec", dont_inherit=True)
    assert source.isascii()
    for new in ('f"', "f'", ":=", "-> ", "match "):
        assert new not in source.replace("# f-strings", "")


def test_the_bootstrap_lists_platforms_with_embedded_valkey():
    program = (
        "import bootstrap, platform\n"
        "platform.machine = lambda: 'aarch64'\n"
        "bootstrap.check_platform()\n"
    )
    asked = {"REDIS_URL": "", "PATH": "/usr/bin"}

    refused, allowed = (
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, stderr=subprocess.PIPE)
        for env in (asked, {**asked, "REDIS_URL": "redis://h"})
    )

    assert (refused.returncode, allowed.returncode) == (1, 0)
    for words in (b"Linux x86-64", b"aarch64", b"REDIS_URL=redis://"):
        assert words in refused.stderr
