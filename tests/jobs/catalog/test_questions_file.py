"""Questions from files of people: JSON Lines and CSV, each error at its line and key."""

from __future__ import annotations

import json

import pytest

from jobs.catalog.questions import jsonl
from jobs.catalog.questions_file import MOST_BYTES, MOST_ERRORS, read_questions


def faults(text):
    content = text if isinstance(text, bytes) else text.encode()
    return [(one.line, one.key, one.message) for one in read_questions(content).faults]


def test_a_line_needs_a_question_and_an_answer_only():
    read = read_questions(b'{"question": "2 + 3?", "answers": ["5", "five"]}\n')

    (question,) = read.questions
    assert (read.sort, read.encoding, read.faults) == ("JSONL", "UTF-8", ())
    assert (question.sort, question.language, question.answers) == ("short", "en", ("5", "five"))
    assert question.id.startswith("q-")


def test_an_id_comes_from_the_content_and_not_the_place():
    one, two = '{"question": "A?", "answer": "1"}', '{"question": "B?", "answer": "2"}'
    ids = {q.question: q.id for q in read_questions(f"{one}\n{two}".encode()).questions}

    swapped = read_questions(f"{two}\n\n{one}\n".encode()).questions

    assert {q.question: q.id for q in swapped} == ids


def test_a_csv_has_choices_in_columns_and_answers_between_bars():
    text = "question,A,B,answers,not_in\nWhich?,one,two,b,\n首都？,,,北京|北京市,不是北京\n"

    choice, short = read_questions(text.encode()).questions

    assert (choice.sort, choice.choices, choice.answers) == ("choice", ("one", "two"), ("B",))
    assert (short.sort, short.language, short.answers) == ("short", "zh", ("北京", "北京市"))
    assert short.not_in == ("不是北京",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_have_any_usual_delimiter(delimiter):
    text = delimiter.join(["question", "answer"]) + "\n" + delimiter.join(["A?", "1"]) + "\n"

    assert len(read_questions(text.encode()).questions) == 1


def test_a_file_in_gbk_is_read_and_said():
    read = read_questions("question,answer\n中国的首都？,北京\n".encode("gbk"))

    assert (read.encoding, read.questions[0].question) == ("GBK", "中国的首都？")


def test_a_byte_order_mark_is_no_part_of_the_first_key():
    assert read_questions("\ufeffquestion,answer\nA?,1\n".encode()).questions


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("", 0, "", "No questions"),
        ("\n\n", 0, "", "No questions"),
        (b"\xff\xfe\x00a", 0, "", "Save the file as UTF-8"),
        ('{"question": "A?", "answers": ["1"]}\n{"question"\n', 2, "", "Not JSON"),
        ('{"question": "A?", "answers": [NaN]}', 1, "", "Not JSON"),
        ('{"question": "A?"}', 1, "answers", "Missing"),
        ('{"answers": ["1"]}', 1, "question", "Missing"),
        ('{"question": "A?", "answers": ["1"], "colour": "x"}', 1, "colour", "Unknown key"),
        ('{"question": "A?", "answers": [5]}', 1, "answers", "Must be text"),
        ('{"question": ["A?"], "answers": ["5"]}', 1, "question", "Must be text"),
        ('{"question": "A\\u0000?", "answers": ["5"]}', 1, "question", "control characters"),
        ('{"question": "A\\ud800?", "answers": ["5"]}', 1, "question", "control characters"),
        ('{"question": "A?", "answers": ["5"], "sort": "essay"}', 1, "sort", "short"),
        ('{"question": "A?", "answers": ["5"], "language": "fr"}', 1, "language", ""),
        ('{"question": "A?", "answers": ["5"], "id": "a b"}', 1, "id", "Begin with a letter"),
        ('{"question": "A?", "answers": ["5"], "choices": ["1", "5"]}', 1, "answers", "A to B"),
        ('{"question": "A?", "answers": ["A"], "choices": ["1"]}', 1, "choices", "2 to 10"),
        (
            '{"question": "A?", "answers": ["A"], "choices": ["1", "2"], "sort": "short"}',
            *(1, "choices", "no choices"),
        ),
        ("[1]", 1, "", "Not an object"),
        ("text,answer\nA?,1\n", 1, "", "name the columns"),
        ("question,answer,answer\nA?,1,2\n", 1, "answer", "Column written twice"),
        ("question,answer\nA?,1,2\n", 2, "", "3 cells, but 2 columns"),
        ('question,answer\n"A?,1\n', 2, "", "quotation mark"),
        ("question,answer\n" + "A?,1\n" * 2, 3, "question", "Duplicate of line 2"),
    ],
)
def test_each_error_names_its_line_and_key(text, line, key, words):
    first = faults(text)[0]

    assert first[:2] == (line, key)
    assert words in first[2]


def test_the_lines_of_a_csv_count_cells_over_several_lines():
    text = 'question,answer\n"Two\nlines?",1\nB?,\n'

    assert faults(text)[0][:2] == (4, "answers")


def test_only_the_first_errors_are_listed():
    read = read_questions(b'{"question": "A?"}\n' * (MOST_ERRORS + 5))

    assert (len(read.faults), read.more) == (MOST_ERRORS, 5)


def test_a_large_file_is_refused_unread():
    assert "MiB" in faults(b"x" * (MOST_BYTES + 1))[0][2]


def test_deep_nesting_is_an_error_of_the_line():
    assert faults('{"question": ' + "[" * 100_000)[0][0] == 1


def test_an_exported_set_is_read_back_equal():
    text = 'question,A,B,answers,not_in,category\nWhich?,one,two,A,,x\n"A, ""b""?",,,1|2,3,\n'
    questions = read_questions(text.encode()).questions

    exported = jsonl(questions)

    assert read_questions(exported.encode()).questions == questions
    assert "id" in json.loads(exported.splitlines()[0])
