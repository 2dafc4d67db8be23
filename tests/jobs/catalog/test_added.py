"""Models that a team adds as files, reloaded without a restart."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from jobs.catalog import MODELS, SHIPPED
from jobs.catalog import library as module
from jobs.catalog.library import MOST_BYTES, Library, ModelChanged, version_of
from jobs.catalog.presets import HERE

OURS = "ours-7b"
DISTILL = yaml.safe_load((HERE / "models" / "deepseek-r1-distill-qwen-7b.yaml").read_text())


def text_of(model_id=OURS, **changes):
    # JSON is YAML, and much faster to write.
    return json.dumps({**DISTILL, "id": model_id, "name": model_id, **changes})


def put(folder, name=f"{OURS}.yaml", text=None):
    (folder / name).write_text(text_of() if text is None else text, encoding="utf-8")


@pytest.fixture
def here(tmp_path):
    return Library(tmp_path)


def reasons(library):
    return {problem.file: problem.reason for problem in library.problems}


def test_a_file_that_is_put_there_is_a_model_at_the_next_look(tmp_path, here):
    assert OURS not in here

    put(tmp_path)

    assert here[OURS].name == OURS
    assert len(here) == len(SHIPPED) + 1
    assert here.is_added(OURS) and not here.is_added("deepseek-r1")


def test_a_file_that_changes_or_goes_is_seen_too(tmp_path, here):
    put(tmp_path)
    assert here[OURS].summary != "Another."

    put(tmp_path, text=text_of(summary="Another."))
    assert here[OURS].summary == "Another."

    (tmp_path / f"{OURS}.yaml").unlink()
    assert OURS not in here


def test_a_file_is_read_once_while_it_stays_the_same(tmp_path, here, monkeypatch):
    put(tmp_path)
    read = []
    monkeypatch.setattr(module, "_read", lambda path: read.append(path.name))
    list(here)
    put(tmp_path, "bad.yaml", "id: x")

    for _ in range(3):
        list(here)

    assert read == [f"{OURS}.yaml", "bad.yaml"]


def test_added_models_stand_among_the_others_by_size(tmp_path, here):
    put(tmp_path)

    assert list(here)[2:4] == ["deepseek-r1-distill-qwen-7b", OURS]
    assert (
        list(here.keys()) == [model.id for model in here.values()] == [k for k, _ in here.items()]
    )


def test_a_bad_file_hides_no_other_and_is_reported(tmp_path, here):
    put(tmp_path, "bad.yaml", "id: [unclosed")
    put(tmp_path)

    assert OURS in here
    assert list(reasons(here)) == ["bad.yaml"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.yaml", text_of("a", colour="blue"), "colour: Extra inputs are not permitted"),
        ("a.yaml", text_of("b"), "the id is b: rename the file to b.yaml"),
        ("a.yml", text_of("a"), "the id is a: rename the file to a.yaml"),
        ("deepseek-r1.yaml", text_of("deepseek-r1"), "already has a model deepseek-r1"),
        ("a.yaml", text_of("../up"), "id: String should match pattern"),
        ("a.yaml", text_of("a..b"), "id: String should match pattern"),
        ("a.yaml", text_of("a" * 101), "id: String should have at most 100 characters"),
        ("a.yaml", text_of("a", hub_id="x/.."), "hub_id: String should match pattern"),
        ("a.yaml", text_of("a", hub_id="../x"), "hub_id: String should match pattern"),
        ("a.yaml", "", "the file: Input should be a valid dictionary"),
        ("a.yaml", "{a: &x [1], b: *x}", "aliases (*name) are not allowed"),
        ("a.yaml", "id: a\nid: b", "written twice: id"),
        ("a.yaml", "a: !!python/object:os.system x", "could not determine a constructor"),
        ("a.yaml", "[" * 5000, "exceeded maximum nesting depth"),
        ("a.yaml", "id: " + "9" * 5000, "4300 digits"),
        ("a.yaml", "x" * (MOST_BYTES + 1), "larger than 64 KiB"),
        ("a.yaml", "id: a\0b", "control characters are not allowed"),
        ("a.yaml", text_of("a", name="a\0b"), "name: String should match pattern"),
        ("a.yaml", text_of("a", name="a\u202eb"), "name: String should match pattern"),
    ],
)
def test_an_error_of_a_file_is_one_line(tmp_path, here, name, text, reason):
    put(tmp_path, name, text)

    assert reason in reasons(here)[name]
    assert "\n" not in reasons(here)[name] and len(reasons(here)[name]) <= 1000
    assert list(here) == list(SHIPPED)


def test_a_file_that_is_no_text_is_reported(tmp_path, here):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")

    assert list(reasons(here)) == ["a.yaml"]


def test_links_folders_and_pipes_are_not_opened(tmp_path, here):
    secret = tmp_path.parent / "secret"
    secret.write_text(text_of("linked"), encoding="utf-8")
    (tmp_path / "linked.yaml").symlink_to(secret)
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")

    assert list(here) == list(SHIPPED)
    assert sorted(reasons(here)) == ["folder.yaml", "linked.yaml", "pipe.yaml"]
    assert reasons(here)["pipe.yaml"] == "not a plain file"


def test_files_of_other_names_are_left_alone(tmp_path, here):
    put(tmp_path, "notes.txt", "?")
    put(tmp_path, f".{OURS}.yaml", "?")

    assert (list(here), here.problems) == (list(SHIPPED), ())


def test_too_many_files_are_reported_and_none_is_read(tmp_path, here, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 1)
    put(tmp_path)
    put(tmp_path, "b.yaml", text_of("b"))

    assert list(here) == list(SHIPPED)
    assert reasons(here) == {str(tmp_path): "more than 1 files"}


def test_a_folder_that_is_not_there_adds_nothing(tmp_path):
    library = Library(tmp_path / "none")

    assert (list(library), library.problems) == (list(SHIPPED), ())


def test_a_folder_that_is_a_file_is_reported(tmp_path):
    (tmp_path / "f").write_text("")

    assert reasons(Library(tmp_path / "f")) == {str(tmp_path / "f"): "Not a directory"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"package": "--index-url=x"}, "package"),
        ({"version": "1 --pre"}, "version"),
        ({"member": "a/../../x"}, "member"),
        ({"member": "/x"}, "member"),
        ({"member": "a/.."}, "member"),
        ({"precision": "a b"}, "precision"),
    ],
)
def test_a_package_of_an_added_model_is_only_a_name(tmp_path, here, changes, place):
    source = SHIPPED["smollm2-135m-instruct"].source.model_dump() | changes
    put(tmp_path, "a.yaml", text_of("a", source=source))

    assert f"source.package.{place}: " in reasons(here)["a.yaml"]


def test_several_shards_need_an_index(tmp_path, here):
    source = {"sort": "hub", "bytes": 1, "shards": 2, "precision": "bf16"}
    put(tmp_path, "a.yaml", text_of("a", source=source))

    assert "several shards need an index_file" in reasons(here)["a.yaml"]


def test_a_saved_model_can_be_removed(tmp_path):
    library = Library(tmp_path / "new" / "folder")

    library.save(text_of())
    library.save(text_of(summary="Another."))

    assert library[OURS].summary == "Another."
    names = [path.name for path in (tmp_path / "new" / "folder").glob("[!.]*")]
    assert names == [f"{OURS}.yaml"]
    assert (library.remove(OURS), library.remove(OURS)) == (True, False)
    assert OURS not in library


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_file_that_is_kept_can_be_read_by_the_team(tmp_path, here):
    here.save(text_of())

    assert (tmp_path / f"{OURS}.yaml").stat().st_mode & 0o777 == 0o644


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o664, 0o600])
def test_file_permissions_survive_changes_and_undo(tmp_path, here, mode):
    put(tmp_path)
    file = tmp_path / f"{OURS}.yaml"
    file.chmod(mode)

    for change in (
        lambda: here.save(text_of(summary="Another.")),
        lambda: here.undo(OURS),
        lambda: here.undo(OURS),
    ):
        change()
        assert file.stat().st_mode & 0o777 == mode
    assert here[OURS].summary == "Another."


def test_a_failed_write_changes_no_file(tmp_path, here, monkeypatch):
    put(tmp_path)
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(full))

    with pytest.raises(OSError, match="No space"):
        here.save(text_of(summary="Another."))

    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"{OURS}.yaml"]
    assert here[OURS].summary != "Another."


def test_a_text_replaces_only_the_version_that_it_was_made_from(tmp_path, here):
    here.save(text_of())
    version = version_of(text_of().encode())

    here.save(text_of(summary="First."), version)
    with pytest.raises(ModelChanged):
        here.save(text_of(summary="Second."), version)
    assert here[OURS].summary == "First."

    here.remove(OURS)
    with pytest.raises(ModelChanged):
        here.save(text_of(summary="Second."), version)
    assert OURS not in here


def test_of_many_who_change_one_version_at_once_one_does(tmp_path, here):
    here.save(text_of())
    version = version_of(text_of().encode())

    def change(number):
        try:
            return here.save(text_of(summary=f"{number}."), version).summary
        except ModelChanged:
            return None

    with ThreadPoolExecutor(8) as pool:
        kept = [summary for summary in pool.map(change, range(16)) if summary]

    assert kept == [here[OURS].summary]


def test_a_deleted_model_can_be_restored_after_id_reuse(tmp_path, here):
    here.save(text_of(summary="Deleted."))
    here.remove(OURS)
    here.save(text_of(summary="New."))

    assert here.undo(OURS)
    assert here[OURS].summary == "Deleted."
    assert here.undo(OURS)
    assert here[OURS].summary == "New."


@pytest.mark.parametrize(
    "text", [text_of("deepseek-r1"), text_of("../x"), text_of() + "#" * 65_536]
)
def test_what_is_wrong_is_not_kept(tmp_path, here, text):
    with pytest.raises(ValueError):
        here.save(text)

    assert list(tmp_path.glob("*.yaml*")) == []


@pytest.mark.parametrize("model_id", ["../outside", "/outside", "deepseek-r1", "none", "."])
def test_only_an_added_model_is_taken_out(tmp_path, model_id):
    (tmp_path / "in").mkdir()
    for folder in (tmp_path, tmp_path / "in"):
        put(folder, "outside.yaml")
    put(tmp_path / "in", "deepseek-r1.yaml")

    assert not Library(tmp_path / "in").remove(model_id)
    assert len(list(tmp_path.rglob("*.yaml"))) == 3


def test_all_callers_see_the_configured_folder(tmp_path):
    put(tmp_path)
    before = MODELS._folder
    try:
        MODELS.configure(tmp_path)
        assert MODELS[OURS].id == OURS
        assert MODELS.get("none") is None
    finally:
        MODELS._folder = before
    assert OURS not in MODELS


def test_without_a_folder_there_is_nowhere_to_keep_a_model():
    with pytest.raises(FileNotFoundError):
        Library().save(text_of())


def test_threads_see_complete_catalogues_during_changes(tmp_path, here):
    def write(number):
        # Like an editor: a partially written file is invalid.
        put(tmp_path, f"m{number}.part", text_of(f"m{number}"))
        (tmp_path / f"m{number}.part").rename(tmp_path / f"m{number}.yaml")

    def look(_):
        models = list(here.values())
        return set(SHIPPED) <= {model.id for model in models} and not here.problems

    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write, number) for number in range(10)]
        assert all(pool.map(look, range(60)))
        assert [job.result() for job in writing] == [None] * 10

    assert len(here) == len(SHIPPED) + 10
    assert here.problems == ()
