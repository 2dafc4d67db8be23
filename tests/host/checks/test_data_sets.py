"""Checks of a public data set's files."""

import pytest

from dashboard.text.messages import MESSAGES
from jobs.host import checks as cards
from jobs.host.checks import CHECKS

# As hubs write it: quotes, a comment, lists at the indent of their key, keys of other sections.
CARD = """\
---
license: mit
dataset_info:
- config_name: main
  features:
  - {name: question, dtype: string}
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: "main/test-*"  # questions
- config_name: socratic
  data_files:
    - split: train
      path:
        - socratic/one.jsonl
        - socratic/two.jsonl
tags: []
---
configs:
- config_name: text
"""


def fill(folder, *files):
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


@pytest.fixture
def found(config, tmp_path):
    """The answer to the check of gsm8k: message, arguments beside those that name the set."""
    about = {"path": str(tmp_path / "gsm8k"), "name": "gsm8k", "repository": "a/gsm8k"}

    def check(*, card="", parts="", splits=""):
        asked = {**about, "card": card, "parts": parts, "splits": splits}
        answer = CHECKS["data_set"](config, asked)
        assert MESSAGES[answer.message_id] % answer.args
        assert about.items() <= {**about, **answer.args}.items()
        rest = {key: value for key, value in answer.args.items() if key not in about}
        return answer.message_id.removeprefix("check:data_set"), rest

    return check


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gsm8k").mkdir()
    return tmp_path / "gsm8k"


def test_files_of_a_data_set_are_counted_where_they_are(config, tmp_path):
    missing, there = tmp_path / "a", tmp_path / "b"
    args = {"paths": f"{missing}\n{there}", "tool": "EvalScope"}
    answer = CHECKS["data_files"](config, args)
    assert (answer.holds, answer.message_id) == (False, "check:data_files_missing")
    assert answer.args == {"tool": "EvalScope", "path": str(missing)}

    fill(there, "deep/x.json")

    answer = CHECKS["data_files"](config, args)
    assert (answer.holds, answer.message_id) == (True, "check:data_files")
    assert (answer.args["path"], answer.args["files"]) == (str(there), 1)


def test_a_data_set_needs_data_and_its_card(found, folder):
    folder.rmdir()
    assert found(card="README.md") == ("_missing", {})
    fill(folder, ".gitattributes")
    (folder / "test.parquet").touch()
    assert found(card="README.md") == ("_missing", {})  # nothing in them

    fill(folder, "test.parquet")
    assert found(card="README.md") == ("_card_missing", {"card": "README.md"})
    assert found() == ("", {})


def test_examples_without_their_file_are_missing(found, folder):
    (folder / "README.md").write_text(CARD)
    fill(folder, "main/test-00000-of-00001.parquet")
    asked = {"card": "README.md", "parts": "main", "splits": "test,train"}
    missing = {"part": "main", "split": "train", "files": "main/train-*"}
    assert found(**asked) == ("_files_missing", missing)

    (folder / "main/train-0.parquet").touch()
    assert found(**asked) == ("_files_missing", missing)  # nothing in it
    fill(folder, "main/train-0.parquet")
    assert found(**asked) == ("", {})


def test_a_card_names_the_parts_and_splits_that_are_read(found, folder):
    (folder / "README.md").write_text(CARD)
    fill(folder, "main/test-0.jsonl", "main/train-0.jsonl", "socratic/one.jsonl")
    lacking = {"part": "all", "card": "README.md"}
    assert found(parts="main,all", splits="test") == ("_part_missing", lacking)
    lacking = {"part": "main", "split": "dev", "card": "README.md"}
    assert found(parts="main", splits="test,dev") == ("_split_unnamed", lacking)
    # Every file that a part names, because none is read without.
    lacking = {"part": "socratic", "split": "train", "files": "socratic/two.jsonl"}
    assert found(parts="socratic", splits="train") == ("_files_missing", lacking)

    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    lacking = {"part": "main", "card": "README.md"}
    assert found(parts="main", splits="test") == ("_part_missing", lacking)


def test_without_a_card_names_of_files_tell_the_split(found, folder):
    fill(folder, "data/test-00000-of-00001.parquet")
    missing = ("_split_missing", {"split": "validation", "found": "test"})
    assert found(splits="test,validation") == missing

    fill(folder, "data/validation-00000-of-00001.parquet")
    assert found(splits="test,validation") == ("", {})


@pytest.mark.parametrize(
    ("paths", "splits"),
    [
        (["gpqa_diamond.csv"], {"train"}),
        (["gpqa_test.csv"], {"test"}),
        (["test.jsonl", "val.jsonl"], {"test", "validation"}),
        (["test/x.csv", "train.csv"], {"test"}),
        (["data/test-00000-of-00001.parquet", "data/val-00000-of-00001.parquet"], {"test", "val"}),
        (["TEST.jsonl"], {"train"}),
        (["contest.jsonl", "dataset_infos.json"], {"train"}),
        ([], set()),
    ],
)
def test_splits_are_inferred_as_the_library_does(paths, splits):
    # Each line was tried with datasets 4.8.4.
    assert cards.inferred(paths) == splits


@pytest.mark.parametrize(
    "section",
    [
        "configs: {config_name: main}",
        "configs: [main]",
        "configs:\n- config_name: main\n  data_files: hf://datasets/a/b.csv",
        "configs: [",
        "configs:\n- config_name: main\n  data_files:\n  - split: test",
        "configs:\n- config_name: main\n  data_files: &x [*x]",
        "configs: " + 100_000 * "[",
    ],
)
def test_a_card_in_another_form_is_left_to_evalscope(found, folder, section):
    fill(folder, "test.csv")
    (folder / "README.md").write_text(f"---\n{section}\n---\n")

    assert found(parts="main", splits="test,train") == ("", {})


def test_files_of_a_part_have_each_form_of_the_hubs():
    head = "---\nconfigs:\n- config_name: a\n"

    def files(text):
        return cards.parts_of(f"{head}{text}---\n")["a"]

    assert files("  data_files: a.csv\n") == {"train": ["a.csv"]}
    assert files("  data_files:\n  - a.csv\n  - 'b.csv'\n") == {"train": ["a.csv", "b.csv"]}
    assert files("  data_files:\n    test: a.csv\n") == {"test": ["a.csv"]}
    assert files("  data_files: {test: [a.csv, 2020.csv], 1: &x b.csv}\n") == {
        "test": ["a.csv", "2020.csv"],
        "1": ["b.csv"],
    }
    assert files("  data_dir: x\n") is None
    for card in ("", "text", "---\n- a\n---\n", "---\nconfigs:\n---\n"):
        assert cards.parts_of(card) == {}
