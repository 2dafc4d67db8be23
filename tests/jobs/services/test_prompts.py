"""Prompt sets of the team: what an upload may have, names, removal."""

import json

import pytest

from jobs.base.errors import LaunchError
from jobs.models import PromptSet
from jobs.queries.prompts import prompts_in, set_with, team_prompts
from jobs.services import prompts, removable
from tests.factories import make_prompts, make_user

pytestmark = pytest.mark.django_db

GOOD = '{"prompt": "Why?"}\n\n{"prompt": "为什么？\\n请回答。", "id": 7}\r\n'


def refused(content, file="own.jsonl"):
    with pytest.raises(LaunchError) as caught:
        prompts.read(file, content if isinstance(content, bytes) else content.encode())
    assert caught.value.field == "file"
    return str(caught.value)


def test_prompts_may_have_several_lines():
    assert prompts.read("own.jsonl", GOOD.encode()) == ["Why?", "为什么？\n请回答。"]
    assert prompts.read("own.jsonl", b"\xef\xbb\xbf" + GOOD.encode())[0] == "Why?"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Why?", "own.jsonl, line 2: no JSON. Write one object a line."),
        ('["Why?"]', "own.jsonl, line 2: no JSON object."),
        ("[" * 5000, "own.jsonl, line 2: no JSON. Write one object a line."),
        ('{"question": "Why?"}', "own.jsonl, line 2, key “prompt”: missing."),
        ('{"prompt": " "}', "own.jsonl, line 2, key “prompt”: empty."),
        (
            '{"prompt": ["Why?"]}',
            "own.jsonl, line 2, key “prompt”: no text. Write it in quotation marks.",
        ),
        (
            '{"prompt": "a\\u0000b"}',
            "own.jsonl, line 2, key “prompt”: has a zero byte or half a character.",
        ),
        (
            '{"prompt": "\\ud800"}',
            "own.jsonl, line 2, key “prompt”: has a zero byte or half a character.",
        ),
        (
            '{"prompt": "Why?", "output_tokens": 8}',
            "own.jsonl, line 2, key “output_tokens”: not used here. Remove it: the form sets "
            "lengths.",
        ),
    ],
)
def test_an_error_names_file_line_and_key(line, text):
    assert refused(f'{{"prompt": "Why?"}}\n{line}\n') == text


def test_a_file_that_is_not_utf8_is_refused():
    content = '{"prompt": "Why?"}\n{"prompt": "您好"}'.encode("gbk")

    assert refused(content) == "own.jsonl, line 2: not UTF-8. Save the file as UTF-8."


def test_an_empty_file_is_refused():
    assert refused("\n") == (
        'own.jsonl has no prompts. Write one JSON object a line: {"prompt": "…"}'
    )


def test_size_and_number_of_prompts_are_bounded():
    line = '{"prompt": "Why?"}\n'

    assert len(prompts.read("own.jsonl", line.encode() * prompts.MOST_PROMPTS)) == 2000
    assert refused(line * (prompts.MOST_PROMPTS + 1)) == (
        "own.jsonl, line 2001: more than 2000 prompts. Upload fewer."
    )
    assert refused("x" * (prompts.MOST_BYTES + 1)) == (
        "own.jsonl has more than 512 KiB. Upload fewer or shorter prompts."
    )


def test_a_set_keeps_the_text_that_a_plan_carries():
    row = prompts.add(" Chat ", "中文", "own.jsonl", GOOD.encode(), user=make_user())

    assert (row.name, row.language, row.prompts) == ("Chat", "中文", 2)
    assert prompts_in(row.text) == ["Why?", "为什么？\n请回答。"]
    assert [json.loads(line).keys() for line in row.text.splitlines()] == [{"prompt"}] * 2
    (offered,) = team_prompts()
    assert (offered.name, offered.count, offered.longest) == ("Chat", 2, row.longest)
    assert offered.read() == ["Why?", "为什么？\n请回答。"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "Enter a name."),
        ("a\nb", "Enter one line of at most 60 characters."),
        ("x" * 61, "Enter one line of at most 60 characters."),
        ("everyday", "An included set has this name. Choose another."),
        ("random", "An included set has this name. Choose another."),
        ("Chat", "Another prompt set has this name. Choose another."),
    ],
)
def test_a_name_is_one_line_and_unique(name, text):
    make_prompts(name="Chat")

    with pytest.raises(LaunchError) as caught:
        prompts.add(name, "", "own.jsonl", GOOD.encode(), user=make_user())

    assert (caught.value.field, str(caught.value)) == ("name", text)


def test_a_removed_set_is_not_offered_and_can_come_back():
    row = make_prompts(name="Chat")

    assert removable.remove(row) is True
    assert removable.remove(row) is False
    assert team_prompts() == ()
    assert set_with(row.sha256) == row
    removable.restore(PromptSet.objects.get())
    assert [one.name for one in team_prompts()] == ["Chat"]


def test_a_set_is_not_restored_over_another_of_its_name():
    row = make_prompts(name="Chat")
    removable.remove(row)
    make_prompts(name="Chat")

    with pytest.raises(LaunchError, match="Another prompt set has this name"):
        removable.restore(row)


def test_the_number_of_sets_is_bounded(monkeypatch):
    monkeypatch.setattr(prompts, "MOST_SETS", 1)
    make_prompts()

    with pytest.raises(LaunchError, match="There are 1 prompt sets"):
        prompts.add("Chat", "", "own.jsonl", GOOD.encode(), user=make_user())
