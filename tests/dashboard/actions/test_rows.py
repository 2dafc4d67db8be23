"""Rows that a team edits: names, limits, removal, by the form of prompt sets; their uploads."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from dashboard.actions import rows
from dashboard.actions.rows import LevelForm, PromptForm, read_prompts
from jobs.base.errors import LaunchError
from jobs.models import PromptSet, ServiceLevel
from jobs.queries.catalogue import prompts_in, team_prompts
from tests.factories import make_prompts, make_user

LINES = '{"prompt": "Why?"}\n\n{"prompt": "为什么？\\n请回答。", "id": 7}\r\n'


def add(name="Chat", language=""):
    user = make_user()
    files = {"file": SimpleUploadedFile("own.jsonl", LINES.encode())}
    return rows.save(user, PromptForm({"name": name, "language": language}, files, user=user))


def test_a_set_keeps_the_text_that_a_plan_carries():
    row = add(" Chat ", "中文")

    assert (row.name, row.language, row.prompts) == ("Chat", "中文", 2)
    assert prompts_in(row.text) == ["Why?", "为什么？\n请回答。"]
    assert [json.loads(line).keys() for line in row.text.splitlines()] == [{"prompt"}] * 2
    (offered,) = team_prompts()
    assert (offered.name, offered.count, offered.longest) == ("Chat", 2, row.longest)
    assert offered.read() == ["Why?", "为什么？\n请回答。"]


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "Enter a name."),
        ("a\x07b", "Enter one line of at most 60 characters."),
        ("x" * 61, "Enter one line of at most 60 characters."),
        ("everyday", "An included set has this name. Choose another."),
        ("random", "An included set has this name. Choose another."),
        ("Chat", "Another prompt set has this name. Choose another."),
    ],
)
def test_a_name_is_one_line_and_unique(name, text):
    make_prompts(name="Chat")

    with pytest.raises(LaunchError) as caught:
        add(name)

    assert (caught.value.field, str(caught.value)) == ("name", text)


@pytest.mark.postgresql
def test_a_removed_row_is_not_offered_and_can_come_back_unless_its_name_is_taken():
    row, user = make_prompts(name="Chat"), make_user(is_staff=True)

    rows.mark(user, PromptForm, row, is_removed=True)
    assert team_prompts() == ()
    rows.mark(user, PromptForm, PromptSet.objects.get(), is_removed=False)
    assert [one.name for one in team_prompts()] == ["Chat"]
    rows.mark(user, PromptForm, row, is_removed=True)
    make_prompts(name="Chat")
    with pytest.raises(LaunchError, match="Another prompt set has this name"):
        rows.mark(user, PromptForm, row, is_removed=False)


def test_a_change_keeps_what_others_changed_meanwhile():
    row = ServiceLevel.objects.create(name="Chat", note="July", limits={})
    values = {"name": "Chat 2", "note": "July", "ttft": "9", "ttft_share": "p90"}
    form = LevelForm(values, instance=row)
    other = ServiceLevel.objects.get()
    other.note = "August"
    other.save()
    rows.save(None, form)
    stored = ServiceLevel.objects.get()
    assert (stored.name, stored.note, stored.limits) == ("Chat 2", "August", {"ttft_p90_ms": 9.0})


def test_the_number_of_rows_is_bounded(monkeypatch):
    monkeypatch.setattr(PromptForm, "most", 1)
    make_prompts()

    with pytest.raises(LaunchError, match="There are 1 prompt sets"):
        add()


# Uploads of prompts: what a file may have.


def refused(content, file="own.jsonl"):
    with pytest.raises(ValueError, match=file) as caught:
        read_prompts(file, content if isinstance(content, bytes) else content.encode())
    return str(caught.value)


def test_prompts_may_have_several_lines():
    assert read_prompts("own.jsonl", LINES.encode()) == ["Why?", "为什么？\n请回答。"]
    assert read_prompts("own.jsonl", b"\xef\xbb\xbf" + LINES.encode())[0] == "Why?"


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


def test_a_file_that_is_empty_or_not_utf8_is_refused():
    content = '{"prompt": "Why?"}\n{"prompt": "您好"}'.encode("gbk")

    assert refused(content) == "own.jsonl, line 2: not UTF-8. Save the file as UTF-8."
    assert refused("\n") == (
        'own.jsonl has no prompts. Write one JSON object a line: {"prompt": "…"}'
    )


def test_size_and_number_of_prompts_are_bounded():
    line = '{"prompt": "Why?"}\n'

    assert len(read_prompts("own.jsonl", line.encode() * rows.MOST_PROMPTS)) == 2000
    assert refused(line * (rows.MOST_PROMPTS + 1)) == (
        "own.jsonl, line 2001: more than 2000 prompts. Upload fewer."
    )
    assert refused("x" * (rows.MOST_BYTES + 1)) == (
        "own.jsonl has more than 512 KiB. Upload fewer or shorter prompts."
    )
