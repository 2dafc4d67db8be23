"""Uploads of prompts: what a file may have."""

import pytest

from jobs.services import prompts

GOOD = '{"prompt": "Why?"}\n\n{"prompt": "为什么？\\n请回答。", "id": 7}\r\n'


def refused(content, file="own.jsonl"):
    with pytest.raises(ValueError, match=file) as caught:
        prompts.read(file, content if isinstance(content, bytes) else content.encode())
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
