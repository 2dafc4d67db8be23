"""Logs over the API: packed ones, and the dashboard's own requests in them."""

import asyncio
import hashlib
import sys

import pytest
from django.urls import reverse

from dashboard.api import logs
from dashboard.server import downloads
from jobs.base.errors import LogRemoved
from jobs.logstore import LogStore, store
from tests.dashboard.lib.streams import content_of
from tests.factories import make_deployment, make_job, make_user
from tests.kept import DAY, ended

TEXT = b"".join(b"\x1b[32mINFO\x1b[0m line %d\rlast %d\n" % (n, n) for n in range(12_000))
ADDRESSES = [
    "log",
    "log?from=0",
    "log?from=30001&to=400000",
    "log?plain=1&from=500&to=400000",
    "log?download=1",
    "log/lines?from=6000&to=6100",
    "log/lines?from=11990",
    "log/search?q=line+777",
    "log/search?q=line+7%2B&regex=1&near=5000",
    "log/search?warnings=1",
    "log/index",
    "log/steps",
]


@pytest.fixture
def job(client):
    client.force_login(make_user())
    job = make_job(state="failed", message_id="job:failed", log_bytes=len(TEXT))
    job.steps.filter(index=0).update(log_from=0, log_to=len(TEXT) // 2)
    store().append(f"job/{job.pk}", 0, TEXT)
    return job


def answers(client, job):
    found = {}
    for address in ADDRESSES:
        answer = client.get(f"/api/v1/jobs/{job.pk}/{address}")
        found[address] = (answer.status_code, dict(answer.headers), content_of(answer))
    return found


def test_every_answer_on_a_packed_log_is_that_on_the_raw_one(client, job):
    raw = answers(client, job)
    assert store().pack(f"job/{job.pk}")

    assert answers(client, job) == raw
    status, headers, body = raw["log?from=0"]
    assert (status, headers["Content-Length"]) == (200, str(len(TEXT)))
    assert hashlib.sha256(body).digest() == hashlib.sha256(TEXT).digest()


def test_the_api_names_the_file_of_a_damaged_log(client, job):
    store().pack(f"job/{job.pk}")
    file = store().path(f"job/{job.pk}").with_suffix(".log.zst")
    file.write_bytes(file.read_bytes()[:-1])

    for address in ("log", "log/index", "log/lines", "log/search?q=x", "log/folds"):
        answer = client.get(f"/api/v1/jobs/{job.pk}/{address}")
        assert (answer.status_code, answer.json()["error"]) == (500, "damaged")
        assert file.name in answer.json()["message"]
    assert client.get(f"/api/v1/jobs/{job.pk}").json()["log_bytes"] == len(TEXT)
    assert client.get(f"/jobs/{job.pk}/").status_code == 200


def test_a_download_of_an_ended_log_is_resumed_raw_or_packed(client, job):
    type(job).objects.filter(pk=job.pk).update(log_sha256=hashlib.sha256(TEXT).hexdigest())
    address, half = f"/api/v1/jobs/{job.pk}/log?download=1", len(TEXT) // 2
    etag = client.get(address)["ETag"]

    for _ in range(2):
        rest = client.get(address, headers={"Range": f"bytes={half}-", "If-Range": etag})
        assert (rest.status_code, content_of(rest)) == (206, TEXT[half:])
        assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
        store().pack(f"job/{job.pk}")


def test_a_growing_log_has_ranges_and_is_never_resumed_unseen(client, job):
    type(job).objects.filter(pk=job.pk).update(log_sha256="")
    address = f"/api/v1/jobs/{job.pk}/log"

    part = client.get(address, headers={"Range": "bytes=1-3"})
    whole = client.get(address, headers={"Range": "bytes=1-3", "If-Range": '"x"'})

    assert (part.status_code, part.content, "ETag" in part) == (206, TEXT[1:4], False)
    assert whole.status_code == 200


@pytest.mark.parametrize("query", ["?plain=1", "?plain=1&from=30001&to=400000"])
def test_plain_text_of_an_ended_job_goes_on_where_it_broke_off(client, job, query, monkeypatch):
    monkeypatch.setattr(logs, "_plain_size", logs._plain_size.__wrapped__)
    monkeypatch.setattr(sys.modules[LogStore.__module__], "READ_BYTES", 100_000)
    job.log_sha256 = hashlib.sha256(TEXT).hexdigest()
    job.save()
    address = f"/api/v1/jobs/{job.pk}/log{query}"
    whole = client.get(address)
    text, etag = content_of(whole), whole["ETag"]

    for start, end in ((5, 9), (1000, 40_000), (90_000, len(text))):
        headers = {"Range": f"bytes={start}-{end - 1}", "If-Range": etag}
        part = client.get(address, headers=headers)
        assert (part.status_code, content_of(part)) == (206, text[start:end])
        assert part["Content-Range"] == f"bytes {start}-{end - 1}/{len(text)}"
    rest = client.get(address, headers={"Range": "bytes=90000-", "If-Range": etag})
    assert content_of(rest) == text[90_000:]
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
    raw = client.get(address.replace("plain=1", ""))["ETag"]
    assert content_of(client.get(address, headers={"Range": "bytes=9-", "If-Range": raw})) == text


@pytest.mark.parametrize("query", ["", "?plain=1"])
def test_head_of_a_long_log_reads_nothing(client, job, query, monkeypatch):
    monkeypatch.setattr(LogStore, "read", None)

    answer = client.head(f"/api/v1/jobs/{job.pk}/log{query}")

    assert (answer.status_code, answer["X-Log-Size"]) == (200, str(len(TEXT)))


POLL = b'INFO:     127.0.0.1:55136 - "GET /health HTTP/1.1" 200 OK\n'


def test_they_are_returned_by_line_and_the_downloads_have_them(browser):
    deployment = make_deployment()
    log = POLL + b"ERROR: out of memory\n" + POLL
    store().append(f"deployment/{deployment.pk}", 0, log)
    address = f"/api/v1/deployments/{deployment.pk}/log"

    answer = browser.get(f"{address}/polls").json()

    assert answer == {"to": len(log), "ranges": [[1, 1], [3, 3]], "done": True, "lines": 3}
    assert browser.get(f"{address}/polls?from={answer['to']}").json()["ranges"] == []
    assert b"".join(browser.get(f"{address}?download=1")) == log


def test_only_a_servers_log_has_the_switch(browser):
    deployment = make_deployment()

    text = browser.get(reverse("deployment-detail", args=[deployment.pk])).text

    assert 'data-do="polls"' in text
    assert 'data-do="polls"' not in browser.get(reverse("job-detail", args=[make_job().pk])).text


@pytest.mark.parametrize("plain", ["", "?plain=1"])
def test_a_download_breaks_off_where_its_log_is_removed(browser, monkeypatch, plain):
    for module in (logs, downloads):
        monkeypatch.setattr(module, "PIECE_BYTES", 1)
    job = ended(DAY)
    answer = browser.get(f"/api/v1/jobs/{job.pk}/log{plain}")
    store().remove(f"job/{job.pk}")

    async def taken():
        return [piece async for piece in answer]

    with pytest.raises(LogRemoved):
        asyncio.run(taken())
