"""A host loses its key or its job while chunks of a log come: they are refused within 3 s."""

import time

import pytest

from tests.processes.lib.hostile import claimed, hostile_host, sent_jobs

pytestmark = pytest.mark.processes

WITHDRAWN_S = 3.0  # what is read is believed for one
LINE = b"a line of the log\n"
# What is taken away -> status of the answer.
WITHDRAWALS = {
    "key": ("Host.objects.filter(name='{name}').update(key_sha256='0' * 64)", 401),
    "claim": ("Job.objects.filter(pk={job}).update(claim_token=uuid4())", 403),
    "job": ("Job.objects.filter(pk={job}).update(host=make_host('another'))", 404),
}
CODE = """
from uuid import uuid4
from jobs.models import Host, Job
from tests.factories import make_host
"""


@pytest.mark.parametrize("what", WITHDRAWALS)
def test_what_a_host_loses_ends_within_seconds(shared, what):
    name = f"withdrawn-{what}"
    host = hostile_host(shared.stack, name)
    job, token = claimed(host, sent_jobs(shared.stack, name)[0])
    code, refused = WITHDRAWALS[what]
    host.headers = {"X-Instance": host.beat()[1]["instance"]}
    size, beside = 0, 0

    def send():
        nonlocal size, beside
        status, _answer = host.append(job, token, "log", size, LINE)
        size += len(LINE) if status == 200 else 0
        beside += "x-beside-django" in host.heard
        return status

    for _ in range(20):
        assert send() == 200
    assert beside > 10
    shared.stack.shell(CODE + code.format(name=name, job=job))
    withdrawn = time.monotonic()
    while (status := send()) == 200:
        assert time.monotonic() - withdrawn < WITHDRAWN_S
        time.sleep(0.02)

    assert status == refused
    stored = shared.stack.shell(
        f"from jobs import logstore\nprint(logstore.store().size('job/{job}'))"
    )
    assert int(stored) == size
