"""Downloads: ranges and conditions, files that change meanwhile, exports, and limits."""

import gc
import os
from pathlib import Path
from time import time
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.http import Http404, HttpResponse
from django.test import RequestFactory

from dashboard.server import downloads
from dashboard.server.downloads import (
    KEPT_OF_A_PERSON,
    KEPT_S,
    MOST_OF_A_PERSON,
    Attachment,
    EndedEarly,
    Stream,
    limited_streams,
    resumable_exports,
    send_file,
    take_slot,
)
from dashboard.tasks import apply_retention
from jobs.models import OutputFile
from jobs.services.intake import quotas
from jobs.services.intake.quotas import DiskReserved
from tests.dashboard.lib.streams import content_of
from tests.factories import make_job, make_user

pytestmark = pytest.mark.django_db  # the end of an answer closes old connections

TEN = b"0123456789"
ATTACHED = {"Content-Disposition": 'attachment; filename="a.csv"', "X-Own": "1"}
LONG = b"x" * (downloads.PIECE_BYTES + 1)


def request_of(method="GET", person=1, headers=()):
    named = {name.replace("_", "-"): value for name, value in dict(headers).items()}
    request = RequestFactory().generic(method, "/api/v1/x", headers=named)
    request.user = SimpleNamespace(pk=person)
    return request


# Files


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ten"
    path.write_bytes(TEN)
    return path


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(downloads, "PIECE_BYTES", 4)


def sent(path, method="GET", sha256="", **headers):
    request = request_of(method, headers=headers)
    return send_file(request, path, filename=path.name, sha256=sha256)


def opened(path):
    """Return the number of descriptors of this process on a file."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.exists() and link.samefile(path) for link in links)


def exchange(path):
    other = path.with_name("other")
    other.write_bytes(b"x" * 20)
    other.replace(path)


def test_a_file_is_sent_whole_with_its_checksum_as_etag_if_known(file):
    answer = sent(file, sha256="ab12")

    assert (answer.status_code, content_of(answer)) == (200, TEN)
    assert (answer["Content-Length"], answer["Accept-Ranges"]) == ("10", "bytes")
    assert answer["Content-Disposition"] == 'attachment; filename="ten"'
    assert answer["ETag"] == '"ab12"'


@pytest.mark.parametrize(
    ("asked", "status", "body", "place"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-5", 206, b"2345", "bytes 2-5/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-900", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, TEN, "bytes 0-9/10"),
        ("Bytes=1-2", 206, b"12", "bytes 1-2/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, TEN, None),
        ("bytes=0-1,4-5", 200, TEN, None),
        ("bytes=-", 200, TEN, None),
        ("bytes=a-b", 200, TEN, None),
        ("bytes=٣-", 200, TEN, None),
        ("bytes=" + "9" * 4000 + "-", 200, TEN, None),
        ("lines=1-2", 200, TEN, None),
    ],
)
def test_a_range_is_answered_and_a_wrong_one_ignored(file, asked, status, body, place):
    answer = sent(file, Range=asked)

    assert (answer.status_code, content_of(answer)) == (status, body)
    assert answer.get("Content-Range") == place


def test_an_empty_file_has_no_range(tmp_path):
    (tmp_path / "none").touch()

    assert content_of(sent(tmp_path / "none")) == b""
    assert sent(tmp_path / "none", Range="bytes=0-").status_code == 416


def test_a_long_range_is_sent_in_pieces(file, small_pieces):
    answer = sent(file, Range="bytes=1-8")

    assert (answer.status_code, answer.streaming, answer["Content-Length"]) == (206, True, "8")
    assert content_of(answer) == TEN[1:9]


def test_a_resumed_download_gets_the_rest_of_its_own_version_only(file):
    etag = sent(file)["ETag"]

    rest = sent(file, Range="bytes=4-", If_Range=etag)
    assert (rest.status_code, content_of(rest)) == (206, TEN[4:])
    for condition in (f"W/{etag}", "Mon, 30 Nov 2026 10:00:00 GMT", '"x"'):
        assert sent(file, Range="bytes=4-", If_Range=condition).status_code == 200, condition
    file.write_bytes(b"another ten bytes")
    whole = sent(file, Range="bytes=4-", If_Range=etag)
    assert (whole.status_code, content_of(whole)) == (200, b"another ten bytes")


def test_a_known_version_is_not_sent_again_and_another_than_required_refused(file):
    etag = sent(file)["ETag"]

    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = sent(file, If_None_Match=known)
        assert (answer.status_code, content_of(answer), answer["ETag"]) == (304, b"", etag)
    assert sent(file, If_None_Match='"x"').status_code == 200
    statuses = [sent(file, If_Match=wanted).status_code for wanted in ('"x"', etag, "*")]
    assert statuses == [412, 200, 200]


def test_head_has_the_size_and_reads_nothing(file, small_pieces):
    answer = sent(file, "HEAD", Range="bytes=1-2")

    assert (answer.status_code, answer["Content-Length"], answer.content) == (200, "10", b"")


def test_no_piece_is_read_before_the_last_was_taken(file, small_pieces, monkeypatch):
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: reads.append(args[1:]) or pread(*args))

    async def first_pieces():
        pieces = aiter(sent(file))
        before = [*reads]
        first = await anext(pieces)
        seen = before, first, [*reads], opened(file)
        await pieces.aclose()
        return seen

    assert async_to_sync(first_pieces)() == ([], b"0123", [(4, 0)], 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.truncate(path, 5),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"x" * 10),
        exchange,
    ],
    ids=["truncated", "removed", "rewritten", "replaced"],
)
def test_a_file_that_changes_ends_its_stream(file, small_pieces, change):
    os.utime(file, ns=(1, 1))
    answer = sent(file)

    async def taken():
        pieces = aiter(answer)
        assert await anext(pieces) == b"0123"
        change(file)
        await anext(pieces)

    with pytest.raises((EndedEarly, FileNotFoundError)):
        async_to_sync(taken)()


def test_a_file_grows_while_it_is_sent_unless_it_was_complete(file, small_pieces):
    growing, complete = sent(file), sent(file, sha256="ab12")
    with file.open("ab") as more:
        more.write(b"more")

    assert content_of(growing) == TEN
    with pytest.raises(EndedEarly):
        content_of(complete)


def test_a_missing_file_or_a_folder_is_not_found(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Http404):
            sent(path)


def test_nginx_gets_the_place_of_a_file_of_the_data_folder(file, settings):
    settings.NGINX_FILES = "/nginx-files/"
    own = settings.DATA_DIR / "outputs" / "7" / "a b%?.json"
    own.parent.mkdir(parents=True)
    own.write_bytes(TEN)

    answer = sent(own, Range="bytes=1-2")

    assert answer["X-Accel-Redirect"] == "/nginx-files/outputs/7/a%20b%25%3F.json"
    assert (answer.status_code, answer.content, "ETag" in answer) == (200, b"", False)
    assert answer["Content-Disposition"] == 'attachment; filename="a b%?.json"'
    assert content_of(sent(file)) == TEN


# Exports


@pytest.fixture(params=["in memory", "from a file"])
def either_way(request, monkeypatch):
    if request.param == "from a file":
        monkeypatch.setattr(downloads, "PIECE_BYTES", 4)


def exported(content=TEN, method="GET", person=1, attached=ATTACHED, **headers):
    kind = HttpResponse if isinstance(content, bytes) else Attachment
    response = kind(content, content_type="text/csv", headers=attached)
    return resumable_exports(lambda _request: response)(request_of(method, person, headers))


def files(settings):
    folder = Path(settings.DATA_DIR, downloads.EXPORTS)
    return sorted(folder.iterdir()) if folder.exists() else []


def test_an_export_has_ranges_and_its_own_headers(either_way):
    whole, part = exported(), exported(Range="bytes=2-8")

    assert (whole.status_code, content_of(whole)) == (200, TEN)
    assert (whole["Accept-Ranges"], whole["Content-Length"]) == ("bytes", "10")
    assert {name: whole[name] for name in ATTACHED} == ATTACHED
    assert (part.status_code, content_of(part)) == (206, b"2345678")
    assert part["Content-Range"] == "bytes 2-8/10"


def test_a_long_export_is_sent_piece_by_piece_from_a_file(small_pieces, settings):
    answer = exported()

    (file,) = files(settings)
    assert isinstance(answer, Stream)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (TEN, 0o600)
    assert content_of(answer) == TEN


def test_an_export_in_pieces_is_never_in_memory_whole(small_pieces, settings):
    def pieces():
        yield b"0123"
        for number in range(4, 10):
            (file,) = files(settings) or [None]
            seen.append(file.stat().st_size if file else 0)
            yield b"%d" % number

    seen = []
    answer = exported(pieces())

    assert (content_of(answer), answer["Content-Length"]) == (TEN, "10")
    assert seen == [0, 5, 6, 7, 8, 9]  # the first long piece is written before the next is made
    assert [file.read_bytes() for file in files(settings)] == [TEN]


def test_a_resumed_export_is_not_made_again(small_pieces):
    def failing():
        raise AssertionError("made again")
        yield b""

    etag = exported()["ETag"]

    assert content_of(exported(failing(), Range="bytes=6-", If_Range=etag)) == b"6789"


def test_an_export_is_resumed_at_its_own_address_only(small_pieces):
    etag = exported()["ETag"]
    request = request_of(headers={"Range": "bytes=6-", "If_Range": etag})
    request.path_info = request.path = "/audit/entries.csv"
    response = HttpResponse(b"other rights", content_type="text/csv", headers=ATTACHED)

    answer = resumable_exports(lambda _request: response)(request)

    assert (answer.status_code, content_of(answer)) == (200, b"other rights")


def test_the_same_export_twice_at_once_is_one_file(small_pieces, settings, monkeypatch):
    first = exported()
    monkeypatch.setattr(downloads, "_renew", lambda _path: False)

    second = exported()

    assert (content_of(first), content_of(second)) == (TEN, TEN)
    assert len(files(settings)) == 1


def test_a_piece_that_is_half_written_is_sent_once(small_pieces, settings, monkeypatch):
    def half(new, piece):
        if piece == b"567":
            new.write(piece[:1])
            raise OSError(28, "No space left on device")
        written(new, piece)

    written = downloads._write
    monkeypatch.setattr(downloads, "_write", half)

    answer = exported(iter((b"01234", b"567", b"89")))

    assert content_of(answer) == TEN
    assert files(settings) == []


def test_an_export_that_fails_leaves_no_file(small_pieces, settings):
    def failing():
        yield LONG
        raise OSError("the database is gone")

    with pytest.raises(OSError, match="the database is gone"):
        exported(failing())

    assert files(settings) == []


@pytest.mark.parametrize(
    ("person", "condition", "status", "body"),
    [
        (1, "{etag}", 206, b"6789"),  # although the export changed
        (2, "{etag}", 200, b"made later"),
        (1, '"../../db.sqlite3"', 200, b"made later"),
        (1, "W/{etag}", 200, b"made later"),
        (1, "{etag}x", 200, b"made later"),
        (1, f'"{"0" * 64}"', 200, b"made later"),
        (1, "", 206, b"ater"),
    ],
)
def test_a_person_resumes_own_exports_by_their_etag(small_pieces, person, condition, status, body):
    etag = exported(person=1)["ETag"]
    condition = {"If_Range": condition.format(etag=etag)} if condition else {}

    answer = exported(b"made later", person=person, Range="bytes=6-", **condition)

    assert (answer.status_code, content_of(answer)) == (status, body)
    assert (answer["ETag"] == etag) is (body == b"6789")


def test_files_are_removed_after_an_hour(small_pieces, settings):
    exported(b"old export")
    (old,) = files(settings)
    os.utime(old, (time() - KEPT_S - 1,) * 2)

    exported(b"new export", person=2)

    apply_retention()

    assert [file.read_bytes() for file in files(settings)] == [b"new export"]


def unread_for(file, seconds):
    """Let the last read be so long ago, and the last change, too."""
    os.utime(file, (time() - seconds,) * 2)


@pytest.mark.parametrize("again", [{}, {"Range": "bytes=0-8", "If_Range": "{etag}"}])
def test_a_file_in_use_is_not_removed_after_an_hour(small_pieces, settings, again):
    etag = exported()["ETag"]
    (file,) = files(settings)
    unread_for(file, KEPT_S + 1)

    answer = exported(**{name: value.format(etag=etag) for name, value in again.items()})
    downloads.remove_old_exports()

    assert content_of(answer).startswith(b"012345678")
    assert files(settings) == [file]


def test_each_piece_of_a_download_renews_its_file(small_pieces, settings):
    answer = exported()
    (file,) = files(settings)
    changed = file.stat().st_mtime_ns
    os.utime(file, ns=(0, changed))

    assert content_of(answer) == TEN
    downloads.remove_old_exports()

    assert files(settings) == [file]


def test_files_of_a_person_have_a_number_and_none_in_use_is_removed(small_pieces, settings):
    in_use = exported(b"in use")
    exported(person=2)
    for number in range(KEPT_OF_A_PERSON - 1):
        exported(b"export %d" % number)
    (unread,) = (file for file in files(settings) if file.read_bytes() == b"export 3")
    unread_for(unread, downloads.IN_USE_S + 1)

    further = [exported(b"further %d" % number) for number in range(3)]

    assert not unread.exists()
    assert content_of(in_use) == b"in use"
    assert [content_of(one) for one in further] == [b"further 0", b"further 1", b"further 2"]
    assert len(files(settings)) == KEPT_OF_A_PERSON + 1


@pytest.mark.parametrize("lacks", ["room for it", "a folder"])
def test_without_room_on_the_disk_an_export_is_sent_from_memory(
    small_pieces, settings, monkeypatch, caplog, lacks
):
    folder = Path(settings.DATA_DIR, downloads.EXPORTS)
    if lacks == "a folder":
        folder.touch()  # none can be made
    else:
        monkeypatch.setattr(quotas, "_fresh", lambda *_args: settings.DISK_RESERVE_BYTES + 9)

    answer = exported(Range="bytes=2-")

    assert (answer.status_code, content_of(answer)) == (206, b"23456789")
    assert not folder.is_dir()
    assert "sent from memory" in caplog.text


def test_a_disk_that_fills_up_meanwhile_loses_nothing_of_an_export(
    small_pieces, settings, monkeypatch, caplog
):
    def pieces():
        yield from (b"01234", b"567")
        monkeypatch.setattr(downloads, "check_disk", full)
        yield from (b"8", b"9")

    def full(_size):
        raise DiskReserved

    answer = exported(pieces(), Range="bytes=2-")

    assert (answer.status_code, content_of(answer)) == (206, b"23456789")
    assert files(settings) == []
    assert "sent from memory" in caplog.text


@pytest.mark.parametrize("attached", [{}, {"Content-Disposition": "inline"}])
def test_other_answers_stay_as_they_are(attached):
    assert "ETag" not in exported(attached=attached)


# Limits


@pytest.fixture
def one(monkeypatch):
    """Let a person have one stream."""
    monkeypatch.setattr(downloads, "MOST_OF_A_PERSON", 1)


async def pieces(*, fails=False):
    yield b"one"
    if fails:
        raise OSError("the disk is gone")
    yield b"two"


def through(response, person=1):
    """Answer a request of a person with this response, through the middleware."""
    request = request_of(person=person)
    return limited_streams(resumable_exports(lambda _request: response))(request)


def test_a_person_has_a_few_streams_at_once():
    slots = [take_slot("1") for _ in range(MOST_OF_A_PERSON)]

    assert None not in slots
    assert take_slot("1") is None
    assert take_slot("2") is not None
    slots[0].close()
    assert take_slot("1") is not None


def test_all_people_together_have_a_number(monkeypatch):
    monkeypatch.setattr(downloads, "MOST_OF_ALL", 2)
    slots = [take_slot("1"), take_slot("2")]

    assert take_slot("3") is None
    slots[0].close()
    assert take_slot("3") is not None


def ends(stream):
    assert content_of(stream) == b"onetwo"


def is_left(stream):
    async def goes_away():
        taken = aiter(stream)
        await anext(taken)
        await taken.aclose()

    async_to_sync(goes_away)()


@pytest.mark.parametrize("over", [ends, is_left, Stream.close])
def test_a_stream_that_is_over_leaves_its_place(one, over):
    first = through(Stream(pieces()))
    assert through(Stream(pieces())).status_code == 429

    over(first)

    assert through(Stream(pieces())).status_code == 200


def test_a_stream_that_fails_or_never_began_leaves_its_place(one):
    with pytest.raises(OSError, match="disk"):
        content_of(through(Stream(pieces(fails=True))))
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
    slot.close()
    answer = client.get(address)

    assert (page.status_code, page["Retry-After"]) == (429, "5")
    assert "Too many downloads at once." in page.text
    assert others == [200, 200]
    assert (content_of(answer), answer["ETag"]) == (b"01234", '"ab"')
    held = take_slot(str(user.pk))
    api = through(Stream(pieces()), person=user.pk)
    assert held is not None
    assert (api.status_code, b"too_many" in api.content) == (429, True)
