"""Limits of long downloads: of a person, of all, and what ends a download's place."""

import gc
from dataclasses import replace
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import RequestFactory

from dashboard.server import downloads
from dashboard.server.downloads import LIMITS, Stream, limited_streams, resumable_exports, take_slot
from jobs.models import OutputFile
from tests.dashboard.lib.streams import content_of
from tests.factories import make_job, make_user

pytestmark = pytest.mark.django_db  # the end of an answer closes old connections

LONG = b"x" * (downloads.PIECE_BYTES + 1)


@pytest.fixture
def one(monkeypatch):
    """Let a person have one stream."""
    monkeypatch.setattr(downloads, "LIMITS", replace(LIMITS, of_a_person=1))


async def pieces(*, fails=False):
    yield b"one"
    if fails:
        raise OSError("the disk is gone")
    yield b"two"


def through(response, person=1):
    """Answer a request of a person with this response, through the middleware."""
    request = RequestFactory().get("/api/v1/x")
    request.user = SimpleNamespace(pk=person)
    return limited_streams(resumable_exports(lambda _request: response))(request)


def test_a_person_has_a_few_streams_at_once():
    slots = [take_slot("1") for _ in range(LIMITS.of_a_person)]

    assert None not in slots
    assert take_slot("1") is None
    assert take_slot("2") is not None
    slots[0].release()
    assert take_slot("1") is not None


def test_all_people_together_have_a_number(monkeypatch):
    monkeypatch.setattr(downloads, "LIMITS", replace(LIMITS, of_all=2))
    slots = [take_slot("1"), take_slot("2")]

    assert take_slot("3") is None
    slots[0].release()
    assert take_slot("3") is not None


def test_a_stream_that_ends_leaves_its_place(one):
    first = through(Stream(pieces()))
    assert through(Stream(pieces())).status_code == 429

    assert content_of(first) == b"onetwo"
    assert through(Stream(pieces())).status_code == 200


def test_a_stream_that_fails_leaves_its_place(one):
    first = through(Stream(pieces(fails=True)))
    with pytest.raises(OSError, match="disk"):
        content_of(first)

    assert through(Stream(pieces())).status_code == 200


def test_a_stream_whose_reader_goes_away_leaves_its_place(one):
    first = through(Stream(pieces()))

    async def goes_away():
        taken = aiter(first)
        await anext(taken)
        await taken.aclose()

    async_to_sync(goes_away)()
    assert through(Stream(pieces())).status_code == 200


def test_a_stream_that_never_began_leaves_its_place(one):
    through(Stream(pieces())).close()
    assert through(Stream(pieces())).status_code == 200  # dropped here, and never closed
    gc.collect()

    assert through(Stream(pieces())).status_code == 200


def test_a_long_export_counts_and_other_answers_do_not(one):
    attached = {"Content-Disposition": "attachment"}
    held = through(HttpResponse(LONG, headers=attached))

    assert held.status_code == 200
    assert through(HttpResponse(LONG, headers=attached)).status_code == 429
    assert through(HttpResponse(b"x", headers=attached)).status_code == 200
    assert through(HttpResponse(LONG)).status_code == 200
    held.close()
    assert through(HttpResponse(LONG, headers=attached)).status_code == 200


def test_a_refused_download_says_so_on_a_page_and_in_the_api(client, settings, one, monkeypatch):
    monkeypatch.setattr(downloads, "PIECE_BYTES", 4)
    user = make_user()
    client.force_login(user)
    job = make_job(state="succeeded", log_bytes=5)
    folder = settings.DATA_DIR / "outputs" / str(job.pk)
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"01234")
    output = OutputFile.objects.create(
        job=job, name="a", path="a", bytes=5, sha256="ab", received_bytes=5
    )
    address = f"/jobs/{job.pk}/outputs/{output.pk}"
    slot = take_slot(str(user.pk))

    page = client.get(address)
    others = [client.get(path).status_code for path in ("/jobs/", f"/jobs/{job.pk}/")]
    slot.release()
    answer = client.get(address)

    assert (page.status_code, page["Retry-After"]) == (429, "5")
    assert "Too many downloads at once." in page.text
    assert others == [200, 200]
    assert (content_of(answer), answer["ETag"]) == (b"01234", '"ab"')
    held = take_slot(str(user.pk))
    api = through(Stream(pieces()), person=user.pk)
    assert held is not None
    assert (api.status_code, b"too_many" in api.content) == (429, True)
