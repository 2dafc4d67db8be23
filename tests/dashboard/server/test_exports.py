"""Downloads that a view makes: ranges, and files in place of memory."""

import os
from pathlib import Path
from time import time
from types import SimpleNamespace

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from dashboard.server import downloads
from dashboard.server.downloads import KEPT_OF_A_PERSON, KEPT_S, Stream, resumable_exports
from dashboard.tasks import apply_retention
from jobs.services.intake import limits
from tests.dashboard.lib.streams import content_of

ATTACHED = {"Content-Disposition": 'attachment; filename="a.csv"', "X-Own": "1"}


@pytest.fixture(params=["in memory", "from a file"])
def either_way(request, monkeypatch):
    if request.param == "from a file":
        small_pieces(monkeypatch)


@pytest.fixture
def small_pieces_of_4(monkeypatch):
    small_pieces(monkeypatch)


def small_pieces(monkeypatch):
    monkeypatch.setattr(downloads, "PIECE_BYTES", 4)


def sent(content=b"0123456789", method="GET", person=1, attached=ATTACHED, **headers):
    """Answer with what a view made."""
    request = RequestFactory().generic(
        method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    request.user = SimpleNamespace(pk=person)
    response = HttpResponse(content, content_type="text/csv", headers=attached)
    return resumable_exports(lambda _request: response)(request)


def files(settings):
    folder = Path(settings.DATA_DIR, downloads.EXPORTS)
    return sorted(folder.iterdir()) if folder.exists() else []


def test_an_export_has_ranges_and_its_own_headers(either_way):
    whole, part = sent(), sent(Range="bytes=2-8")

    assert (whole.status_code, content_of(whole)) == (200, b"0123456789")
    assert (whole["Accept-Ranges"], whole["Content-Length"]) == ("bytes", "10")
    assert {name: whole[name] for name in ATTACHED} == ATTACHED
    assert (part.status_code, content_of(part)) == (206, b"2345678")
    assert part["Content-Range"] == "bytes 2-8/10"


def test_a_known_export_is_not_sent_again(either_way):
    assert sent(If_None_Match=sent()["ETag"]).status_code == 304


def test_head_has_the_size_of_an_export(either_way):
    answer = sent(method="HEAD")

    assert (answer["Content-Length"], answer.content) == ("10", b"")


def test_a_long_export_is_sent_piece_by_piece_from_a_file(small_pieces_of_4, settings):
    answer = sent()

    (file,) = files(settings)
    assert isinstance(answer, Stream)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"0123456789", 0o600)
    assert content_of(answer) == b"0123456789"


def test_an_interrupted_download_goes_on_although_the_export_changed(small_pieces_of_4):
    etag = sent()["ETag"]

    rest = sent(b"made later", Range="bytes=6-", If_Range=etag)
    other = sent(b"made later")

    assert (rest.status_code, content_of(rest), rest["ETag"]) == (206, b"6789", etag)
    assert content_of(other) == b"made later"


@pytest.mark.parametrize(
    "condition", ['"../../db.sqlite3"', "W/{etag}", "{etag}x", f'"{"0" * 64}"']
)
def test_another_condition_gets_the_export_of_now(small_pieces_of_4, condition):
    condition = condition.format(etag=sent()["ETag"])

    answer = sent(b"made later", Range="bytes=6-", If_Range=condition)

    assert (answer.status_code, content_of(answer)) == (200, b"made later")


def test_a_person_resumes_own_exports_only(small_pieces_of_4):
    etag = sent(person=1)["ETag"]

    answer = sent(b"made later", person=2, Range="bytes=6-", If_Range=etag)

    assert (answer.status_code, content_of(answer)) == (200, b"made later")


def test_files_of_a_person_have_a_number(small_pieces_of_4, settings):
    for number in range(KEPT_OF_A_PERSON + 3):
        sent(b"export %d" % number)
    sent(person=2)

    assert len(files(settings)) == KEPT_OF_A_PERSON + 1


@pytest.mark.django_db
def test_files_are_removed_after_an_hour(small_pieces_of_4, settings):
    sent(b"old export")
    (old,) = files(settings)
    os.utime(old, (time() - KEPT_S - 1,) * 2)

    sent(b"new export", person=2)

    apply_retention()

    assert [file.read_bytes() for file in files(settings)] == [b"new export"]


def unread_for(file, seconds):
    """Let the last read be so long ago, and the last change, too."""
    os.utime(file, (time() - seconds,) * 2)


@pytest.mark.parametrize("again", [{}, {"Range": "bytes=0-8", "If_Range": "{etag}"}])
def test_a_file_in_use_is_not_removed_after_an_hour(small_pieces_of_4, settings, again):
    etag = sent()["ETag"]
    (file,) = files(settings)
    unread_for(file, KEPT_S + 1)

    answer = sent(**{name: value.format(etag=etag) for name, value in again.items()})
    downloads.remove_old_exports()

    assert content_of(answer).startswith(b"012345678")
    assert files(settings) == [file]


def test_each_piece_of_a_download_renews_its_file(small_pieces_of_4, settings):
    answer = sent()
    (file,) = files(settings)
    changed = file.stat().st_mtime_ns
    os.utime(file, ns=(0, changed))

    assert content_of(answer) == b"0123456789"
    downloads.remove_old_exports()

    assert files(settings) == [file]


def test_further_exports_never_remove_a_file_in_use(small_pieces_of_4, settings):
    in_use = sent(b"in use")
    for number in range(KEPT_OF_A_PERSON - 1):
        sent(b"export %d" % number)
    (unread,) = (file for file in files(settings) if file.read_bytes() == b"export 3")
    unread_for(unread, downloads.IN_USE_S + 1)

    further = [sent(b"further %d" % number) for number in range(3)]

    assert not unread.exists()
    assert content_of(in_use) == b"in use"
    assert [content_of(one) for one in further] == [b"further 0", b"further 1", b"further 2"]
    assert len(files(settings)) == KEPT_OF_A_PERSON


def test_an_export_larger_than_the_room_on_the_disk_is_sent_from_memory(
    small_pieces_of_4, settings, monkeypatch, caplog
):
    monkeypatch.setattr(limits, "_fresh", lambda *_args: settings.DISK_RESERVE_BYTES + 9)

    answer = sent()

    assert content_of(answer) == b"0123456789"
    assert files(settings) == []
    assert "sent from memory" in caplog.text


def test_without_room_on_the_disk_an_export_is_sent_from_memory(
    small_pieces_of_4, settings, caplog
):
    Path(settings.DATA_DIR, downloads.EXPORTS).touch()  # no folder can be made

    answer = sent(Range="bytes=2-")

    assert (answer.status_code, content_of(answer)) == (206, b"23456789")
    assert "sent from memory" in caplog.text


@pytest.mark.parametrize("attached", [{}, {"Content-Disposition": "inline"}])
def test_other_answers_stay_as_they_are(attached):
    assert "ETag" not in sent(attached=attached)
