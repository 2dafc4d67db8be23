import ast
import re
from pathlib import Path

import pytest
from django.utils.translation import override

from dashboard.text.messages import MESSAGES, TABLES, message

ROOT = Path(__file__).parents[3]
FILES = [*ROOT.glob("jobs/**/*.py"), *ROOT.glob("dashboard/**/*.py")]
HOLE = re.compile(r"%[^ ]?\(")
ID = re.compile(r"[a-z]+:[a-z_0-9]+|done|cancelled")
# Place of an id by the name of the called function: index of the argument, or its keyword.
PLACES = {
    "Message": (0, "id"),
    "Refused": (0, "message_id"),
    "Ending": (1, "message_id"),
    "message": (0, "message_id"),
    "_refused": (0, "message_id"),
}


def used_ids():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                index, keyword = PLACES.get(name, (99, "message_id"))
                values = [*node.args[index : index + 1]]
                values += [k.value for k in node.keywords if k.arg == keyword]
                values = [value for value in values if isinstance(value, ast.Constant)]
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(
                "message_id"
            ):
                values = [node.value]
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
                values = node.value.elts[:1] if "/jobs/host/" in path.as_posix() else []
            else:
                continue
            for value in values:
                text = getattr(value, "value", None)
                if isinstance(text, str) and ID.fullmatch(text):
                    yield text


def test_every_id_that_is_used_has_its_words():
    used = set(used_ids())

    assert {"job:missing", "work:exit", "benchmark:done", "host:rebooted", "done"} <= used
    assert used - set(MESSAGES) == set()


def test_an_id_stands_in_one_table():
    assert sum(map(len, TABLES)) == len(MESSAGES)


def test_every_message_has_a_text():
    with override("en"):
        texts = {message_id: message(message_id, {}) for message_id in MESSAGES}

    assert {name: text for name, text in texts.items() if not text or HOLE.search(text)} == {}


@pytest.mark.parametrize(
    ("id_", "args", "text"),
    [
        ("work:exit", {"step": "x", "exit_code": 2}, "Step x failed with exit code 2."),
        ("work:exit", {"step": "x"}, "Step x failed with exit code ?."),
        ("", {}, ""),
        ("work:of_tomorrow", {"a": 1}, "work:of_tomorrow"),  # of a newer host
    ],
)
def test_arguments_fill_a_message_and_what_is_missing_is_no_error(id_, args, text):
    assert message(id_, args) == text


@pytest.mark.parametrize(
    ("id_", "args", "start"),
    [
        ("benchmark:offline", {"output_tokens_per_s": 3424.4}, "3\u202f424 output tokens/s"),
        ("benchmark:offline", {"output_tokens_per_s": "3424.4"}, "3\u202f424 output tokens/s"),
        ("benchmark:offline", {"output_tokens_per_s": 0.0035}, "0.0035 output tokens/s"),
        (
            "evaluate:done",
            {"accuracy": 46.2, "questions": 1135},
            "Accuracy 46.20 % on 1\u202f135 questions",
        ),
        # Of an older row, which kept 14.788… as the text "14.8": 14.80 would be made up.
        (
            "evaluate:done",
            {"accuracy": "14.8", "questions": 142},
            "Accuracy 14.8 % on 142 questions",
        ),
        ("evaluate:done", {"accuracy": "?", "questions": 8}, "Accuracy ? % on 8 questions"),
    ],
)
def test_numbers_in_messages_are_those_of_the_pages(id_, args, start):
    assert message(id_, args).startswith(start)


def test_what_cannot_be_checked_yet_is_named():
    assert message("check:later", {"check": "weights"}).startswith("Weights: deferred until")
    assert message("check:later", {"check": "sorcery"}).startswith("sorcery:")
