"""Files as answers: ranges, conditions, and files that change while they are sent."""

import os
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.http import Http404
from django.test import RequestFactory

from dashboard.server import downloads
from dashboard.server.downloads import EndedEarly, send_file
from tests.dashboard.lib.streams import content_of

TEN = b"0123456789"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ten"
    path.write_bytes(TEN)
    return path


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(downloads, "PIECE_BYTES", 4)


def sent(path, method="GET", sha256="", **headers):
    request = RequestFactory().generic(
        method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return send_file(request, path, filename=path.name, sha256=sha256)


def opened(path):
    """Return the number of descriptors of this process on a file."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.exists() and link.samefile(path) for link in links)


def replace(path):
    """Put a longer file in its place."""
    other = path.with_name("other")
    other.write_bytes(b"x" * 20)
    other.replace(path)


def test_a_file_is_sent_whole(file):
    answer = sent(file)

    assert (answer.status_code, content_of(answer)) == (200, TEN)
    assert (answer["Content-Length"], answer["Accept-Ranges"]) == ("10", "bytes")
    assert answer["Content-Disposition"] == 'attachment; filename="ten"'


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
    file.write_bytes(b"another ten bytes")
    whole = sent(file, Range="bytes=4-", If_Range=etag)

    assert (rest.status_code, content_of(rest)) == (206, TEN[4:])
    assert (whole.status_code, content_of(whole)) == (200, b"another ten bytes")


@pytest.mark.parametrize("condition", ["W/{etag}", "Mon, 30 Nov 2026 10:00:00 GMT", '"x"'])
def test_a_weak_condition_resumes_nothing(file, condition):
    condition = condition.format(etag=sent(file)["ETag"])

    assert sent(file, Range="bytes=4-", If_Range=condition).status_code == 200


def test_the_etag_is_the_checksum_where_it_is_known(file):
    assert sent(file, sha256="ab12")["ETag"] == '"ab12"'


def test_a_known_version_is_not_sent_again(file):
    etag = sent(file)["ETag"]

    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = sent(file, If_None_Match=known)
        assert (answer.status_code, content_of(answer), answer["ETag"]) == (304, b"", etag)
    assert sent(file, If_None_Match='"x"').status_code == 200


def test_another_version_than_required_is_refused(file):
    assert sent(file, If_Match='"x"').status_code == 412
    assert sent(file, If_Match=sent(file)["ETag"]).status_code == 200
    assert sent(file, If_Match="*").status_code == 200


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
        replace,
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
