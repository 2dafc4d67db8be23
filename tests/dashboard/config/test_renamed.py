"""A former name of a setting is refused with the present one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.config import env
from dashboard.config.renamed import RENAMED
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]


def test_every_present_name_is_a_setting():
    names = {variable.name for variable in env.variables().values()}

    assert set(RENAMED.values()) <= names
    assert not set(RENAMED) & names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HOST_BIND", "BIND"),
        ("KEEP_FOR", "RETENTION_AGE"),
        ("KEEP_WITHIN", "RETENTION_SIZE"),
        ("PACK_LOGS_AFTER", "COMPRESS_LOGS_AFTER"),
        ("SILENT_AFTER", "STALLED_AFTER"),
    ],
)
def test_a_former_name_is_refused_with_the_present_one(old, new):
    with pytest.raises(env.BadVariable) as raised:
        env.load({old: "1"})

    assert str(raised.value) == f"{old} is now called {new}. Set {new} instead and remove {old}."


def test_a_former_name_without_a_value_is_not_set():
    assert env.load(dict.fromkeys(RENAMED, "")).bind == "127.0.0.1"


def test_what_an_earlier_start_remembers_is_no_reason_to_refuse(tmp_path):
    remembered = {
        "environ": {"HOST_BIND": "0.0.0.0", "KEEP_FOR": "90d", "TIME_ZONE": "Asia/Shanghai"}
    }
    (tmp_path / env.RUN_FILE).write_text(json.dumps(remembered))

    config = env.load_remembering({"DATA_DIR": str(tmp_path)})

    assert (config.bind, config.retention_age_s, config.time_zone) == (
        "127.0.0.1",
        None,
        "Asia/Shanghai",
    )


def test_the_start_ends_with_the_message(tmp_path):
    environ = {**os.environ, "DATA_DIR": str(tmp_path), "KEEP_FOR": "90d"}

    ended = subprocess.run(
        [sys.executable, "-m", "dashboard.server.supervisor"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert ended.returncode == 2
    assert "KEEP_FOR is now called RETENTION_AGE." in ended.stdout + ended.stderr
