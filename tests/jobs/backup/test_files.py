"""Copies of folders that change meanwhile."""

import hashlib
import os

import pytest

from jobs.backup import files
from jobs.backup.files import mirror
from jobs.backup.manifest import BackupError, FileEntry


@pytest.fixture
def source(tmp_path):
    (tmp_path / "data" / "logs" / "job").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def target(tmp_path):
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def put(source, name, text):
    path = source / "logs" / "job" / name
    path.write_text(text)
    return path


def copied(source, target, known=None):
    return mirror(source, target, "logs", known or {})


def names(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    )


def test_a_copy_has_content_and_time_of_the_file_and_no_rights_of_others(source, target):
    path = put(source, "1.log", "one\n")
    path.chmod(0o640)
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))

    result = copied(source, target)

    copy = target / "logs" / "job" / "1.log"
    assert copy.read_text() == "one\n"
    assert (copy.stat().st_mode & 0o777, copy.stat().st_mtime_ns) == (
        0o600,
        1_700_000_000_123_456_789,
    )
    sha256 = hashlib.sha256(b"one\n").hexdigest()
    assert result.files == {
        "logs/job/1.log": FileEntry(bytes=4, sha256=sha256, changed_ns=copy.stat().st_mtime_ns)
    }
    assert (result.copied, result.copied_bytes) == (1, 4)


def test_a_second_copy_writes_only_what_changed(source, target):
    put(source, "1.log", "one\n")
    put(source, "2.log", "two\n")
    known = copied(source, target).files
    before = (target / "logs" / "job" / "1.log").stat().st_ino
    put(source, "2.log", "two\nthree\n")

    result = copied(source, target, known)

    assert (result.copied, result.copied_bytes) == (1, 10)
    assert (target / "logs" / "job" / "1.log").stat().st_ino == before
    assert (target / "logs" / "job" / "2.log").read_text() == "two\nthree\n"
    assert set(result.files) == {"logs/job/1.log", "logs/job/2.log"}


def test_a_copy_without_an_entry_is_compared_with_the_file(source, target):
    put(source, "1.log", "one\n")
    put(source, "2.log", "two\n")
    copied(source, target)
    rotten = target / "logs" / "job" / "2.log"
    at = rotten.stat().st_mtime_ns
    rotten.write_text("tvo\n")
    os.utime(rotten, ns=(at, at))

    result = copied(source, target)

    assert (result.copied, rotten.read_text()) == (1, "two\n")
    assert result.files["logs/job/2.log"].sha256 == hashlib.sha256(b"two\n").hexdigest()


def test_a_file_of_the_same_size_that_changed_is_copied_and_its_checksum_too(source, target):
    put(source, "1.log", "one\n")
    known = copied(source, target).files
    path = put(source, "1.log", "two\n")
    os.utime(path, ns=(1, 1))

    copied(source, target, known)  # and killed before its manifest was written
    again = copied(source, target, known)

    assert (target / "logs" / "job" / "1.log").read_text() == "two\n"
    assert again.copied == 0
    assert again.files["logs/job/1.log"].sha256 == hashlib.sha256(b"two\n").hexdigest()


def test_a_disk_with_coarse_times_gets_no_file_twice(source, target):
    put(source, "1.log", "one\n")
    known = copied(source, target).files
    os.utime(target / "logs" / "job" / "1.log", ns=(0, 0))

    assert copied(source, target, known).copied == 0


def test_a_raw_log_goes_from_the_copy_once_it_is_packed(source, target):
    raw = put(source, "1.log", "only a part")
    known = copied(source, target).files
    raw.unlink()
    put(source, "1.log.zst", "packed, whole")

    result = copied(source, target, known)

    assert names(target) == ["logs/job/1.log.zst"]
    assert (result.removed, set(result.files)) == (1, {"logs/job/1.log.zst"})


def test_a_log_that_is_packed_during_the_walk_is_in_the_copy(source, target, monkeypatch):
    raw = put(source, "1.log", "whole")
    put(source, "2.log", "other")
    real = files.walk

    def walk(folder):
        for root, paths in real(folder):
            # Listed under the old name, read under none: the next walk finds the new one.
            if raw.exists():
                raw.rename(raw.with_name("1.log.zst"))
            yield root, paths

    monkeypatch.setattr(files, "walk", walk)

    result = copied(source, target)

    assert set(result.files) == {"logs/job/1.log.zst", "logs/job/2.log"}
    assert names(target) == ["logs/job/1.log.zst", "logs/job/2.log"]


def test_a_log_that_is_in_no_list_of_one_walk_is_in_the_copy(source, target, monkeypatch):
    put(source, "1.log.zst", "whole")
    real, walks = files.walk, []

    def walk(folder):
        walks.append(folder)
        for root, paths in real(folder):
            # The second walk lists the folder between the removal and the new name.
            yield root, [] if len(walks) == 2 else paths

    monkeypatch.setattr(files, "walk", walk)

    assert set(copied(source, target).files) == {"logs/job/1.log.zst"}
    assert names(target) == ["logs/job/1.log.zst"]


def test_names_that_never_rest_are_an_error(source, target, monkeypatch):
    def walk(folder):
        path = put(source, "1.log", "x")
        path.unlink()
        yield path.parent, [path]

    monkeypatch.setattr(files, "walk", walk)

    with pytest.raises(BackupError, match="Run the backup again later"):
        copied(source, target)
    assert mirror(source, target, "logs", {}, is_scratch=True).files == {}


def test_the_index_of_a_log_is_copied_before_the_log(source):
    for name in ("7.log", "7.lines", "7.times", "6.log"):
        put(source, name, "x")

    _root, paths = list(files.walk(source / "logs"))[1]

    assert [path.name for path in paths] == ["7.lines", "7.times", "6.log", "7.log"]


def test_drafts_of_logs_and_pipes_are_left_out(source, target):
    for name in ("1.log.new", "1.log.zst.new", "1.log"):
        put(source, name, "x")
    os.mkfifo(source / "logs" / "pipe")

    assert set(copied(source, target).files) == {"logs/job/1.log"}
    assert names(target) == ["logs/job/1.log"]


def test_remains_of_a_killed_copy_go(source, target):
    put(source, "1.log", "one")
    (target / "logs" / "job").mkdir(parents=True)
    (target / "logs" / "job" / ".1.log.backup-part").write_text("o")
    (target / "logs" / "gone").mkdir()

    copied(source, target)

    assert [path.name for path in (target / "logs").iterdir()] == ["job"]
    assert names(target) == ["logs/job/1.log"]


def test_a_link_is_copied_as_a_link(source, target):
    (source / "logs" / "job" / "latest").symlink_to("1.log")
    (source / "logs" / "other").symlink_to("job")
    put(source, "1.log", "one")

    result = copied(source, target)

    assert result.links == {"logs/job/latest": "1.log", "logs/other": "job"}
    assert str((target / "logs" / "other").readlink()) == "job"
    assert copied(source, target, result.files).copied == 0


def test_a_folder_that_was_a_link_is_never_written_through_it(source, target):
    elsewhere = source / "elsewhere"
    elsewhere.mkdir()
    (source / "logs" / "set").symlink_to(elsewhere)
    known = copied(source, target).files
    (source / "logs" / "set").unlink()
    (source / "logs" / "set").mkdir()
    (source / "logs" / "set" / "file").write_text("x")

    copied(source, target, known)

    assert list(elsewhere.iterdir()) == []
    assert (target / "logs" / "set" / "file").read_text() == "x"
    assert not (target / "logs" / "set").is_symlink()


def test_a_folder_takes_the_place_of_a_file_and_a_file_that_of_a_folder(source, target):
    (source / "logs" / "a").write_text("file")
    (source / "logs" / "b").mkdir()
    (source / "logs" / "b" / "file").write_text("x")
    copied(source, target)
    (source / "logs" / "a").unlink()
    (source / "logs" / "a").mkdir()
    (source / "logs" / "a" / "file").write_text("x")
    (source / "logs" / "b" / "file").unlink()
    (source / "logs" / "b").rmdir()
    (source / "logs" / "b").write_text("file")

    copied(source, target)

    assert names(target) == ["logs/a/file", "logs/b"]


def test_a_large_file_has_a_checksum(source, target):
    path = put(source, "1.log", "")
    os.truncate(path, 17 * 1024 * 1024)

    wanted = hashlib.sha256(bytes(17 * 1024 * 1024)).hexdigest()
    assert copied(source, target).files["logs/job/1.log"].sha256 == wanted


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_an_error(source, target):
    (source / "logs" / "job").chmod(0)
    try:
        with pytest.raises(PermissionError):
            copied(source, target)
    finally:
        (source / "logs" / "job").chmod(0o700)
