"""A job's log on a real dashboard, from its host's first byte to the packed file."""

import hashlib

import pytest

from tests.api import until

pytestmark = pytest.mark.processes

LINES = 5000
PRINTER = f"""
import json
for number in range({LINES}):
    print(number, 'x' * 80)
json.dump(dict(seconds=1), open('ready.json', 'w'))
"""
ASK = "from dashboard.tasks import pack_logs; pack_logs.delay()"


def test_the_dashboard_s_worker_packs_a_log_without_loss(shared):
    api, stack = shared, shared.stack
    job = stack.run_python(PRINTER, is_ready=True)
    assert api.ended(job)["state"] == "succeeded"
    shown, kept = api.log_sha256s(job)
    assert shown == kept
    raw = stack.data_dir / "logs" / "job" / f"{job}.log"
    raw_bytes = raw.stat().st_size

    def is_packed():
        stack.shell(ASK)
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
