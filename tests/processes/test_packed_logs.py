"""A job's log on a real dashboard, from its host's first byte to the packed file."""

import hashlib

import pytest

from tests.api import Api, until
from tests.stack import running

pytestmark = pytest.mark.processes

LINES = 5000
PRINTER = f"""
from jobs.schedule import dispatch
from jobs.models import Host
from jobs.plans import Output, Plan, Step
from tests.factories import make_job
code = (
    "import json\\n"
    "for number in range({LINES}):\\n"
    "    print(number, 'x' * 80)\\n"
    "json.dump(dict(seconds=1), open('ready.json', 'w'))\\n"
)
step = Step("print", ("python3", "-c", code))
plan = Plan(kind="deploy", steps=(step,), outputs=(Output("ready", "ready.json"),))
print(make_job(plan=plan, params={{"artifact": "1"}}, host=Host.objects.get()).pk)
dispatch.run()
"""
ASK = "from dashboard.tasks import pack_logs; pack_logs.delay()"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(
        tmp_path_factory.mktemp("pk") / "data", environ={"COMPRESS_LOGS_AFTER": "1s"}
    ) as made:
        yield made


def test_the_dashboard_s_worker_packs_a_log_without_loss(stack):
    api = Api(stack)
    job = int(stack.manage("shell", "-c", PRINTER).stdout.split()[-1])
    assert api.ended(job)["state"] == "succeeded"
    shown, kept = api.log_sha256s(job)
    assert shown == kept
    raw = stack.data_dir / "logs" / "job" / f"{job}.log"
    raw_bytes = raw.stat().st_size

    def is_packed():
        stack.manage("shell", "-c", ASK)
        return not raw.exists()

    until(is_packed, "the log is packed")

    assert 0 < raw.with_suffix(".log.zst").stat().st_size < raw_bytes / 5
    assert api.log_sha256s(job) == (shown, kept)
    assert api.job(job)["log_bytes"] == raw_bytes
    tail = api.raw(f"jobs/{job}/log/lines?from={LINES}")
    assert tail == b"%d %s\n" % (LINES - 1, b"x" * 80)
    assert api.ask(f"jobs/{job}/log/search?q=x")["total"] == LINES * 80
    out = stack.manage("log", str(job), "--raw").stdout
    assert hashlib.sha256(out).hexdigest() == kept
