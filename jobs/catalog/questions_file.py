"""Questions from a file of people: JSON Lines or CSV, with an error for each wrong place."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs.base.files import text_sha256
from jobs.base.validation_errors import message_of
from jobs.catalog.questions import LETTERS, Question

MOST_BYTES = 2 * 1024 * 1024
MOST_QUESTIONS = 5000
MOST_ERRORS = 20  # shown at once
KEYS = ("id", "sort", "language", "category", "question", "answers", "choices", "not_in")
_LISTS = ("answers", "choices", "not_in")
# Other names of keys that people use.
_ALIASES = {"type": "sort", "answer": "answers"}
_CHOICES = set(LETTERS)  # columns of a CSV
_BETWEEN = "|"  # several answers in one cell of a CSV
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
csv.field_size_limit(MOST_BYTES)


@dataclass(frozen=True, slots=True)
class FileFault:
    """Error of a file. ``line`` from 1, 0: the file as a whole; ``key`` "": the line as a whole."""

    line: int
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class ReadQuestions:
    """Questions of a file, or its errors. ``encoding``: "UTF-8" or "GBK"; ``sort``: "JSONL" or
    "CSV"; ``more``: errors that are not listed."""

    text: str
    encoding: str
    sort: str
    questions: tuple[Question, ...] = ()
    faults: tuple[FileFault, ...] = ()
    more: int = 0


def read_questions(content: bytes) -> ReadQuestions:
    """Return the questions of ``content``, or every error in it. Raises nothing."""
    if len(content) > MOST_BYTES:
        most = MOST_BYTES // 1024 // 1024
        message = _("Larger than %(most)d MiB. Split the file into several sets.") % {"most": most}
        return ReadQuestions("", "", "", faults=(FileFault(0, "", message),))
    text, encoding = _decoded(content)
    if text is None:
        message = _("Neither UTF-8 nor GBK. Save the file as UTF-8.")
        return ReadQuestions("", "", "", faults=(FileFault(0, "", message),))
    sort = "JSONL" if text.lstrip()[:1] in ("{", "[") else "CSV"
    questions, faults = _checked(_json_rows(text) if sort == "JSONL" else _csv_rows(text))
    if not questions and not faults:
        faults = [FileFault(0, "", _("No questions. Enter one question a line."))]
    if faults:
        shown, more = tuple(faults[:MOST_ERRORS]), max(0, len(faults) - MOST_ERRORS)
        return ReadQuestions(text, encoding, sort, faults=shown, more=more)
    return ReadQuestions(text, encoding, sort, questions=tuple(questions))


def _decoded(content: bytes) -> tuple[str | None, str]:
    for codec, name in (("utf-8-sig", "UTF-8"), ("gb18030", "GBK")):
        try:
            text = content.decode(codec)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text.replace("\r\n", "\n").replace("\r", "\n"), name
    return None, ""


_Row = tuple[int, Mapping[str, Any] | FileFault]


def _json_rows(text: str) -> Iterator[_Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            data = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            message = _("Not JSON. Write one object a line: %(example)s.")
            example = '{"question": "2 + 3?", "answers": ["5"]}'
            yield number, FileFault(number, "", message % {"example": example})
            continue
        if not isinstance(data, dict):
            yield number, FileFault(number, "", _("Not an object. Begin the line with “{”."))
            continue
        yield number, data


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _csv_rows(text: str) -> Iterator[_Row]:
    """Rows by their first line; a cell may go over several lines."""
    first = text.lstrip("\ufeff\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    head: list[str] = []
    begun = 1
    try:
        for cells in reader:
            line, begun = begun, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not head:
                names = [cell.strip() for cell in cells]
                head = [name if name in _CHOICES else name.lower() for name in names]
                if "question" not in head:
                    message = _("The first line must name the columns: question, answers, …")
                    yield line, FileFault(line, "", message)
                    return
                twice = next((name for name in head if name and head.count(name) > 1), "")
                if twice:
                    yield line, FileFault(line, twice, _("Column written twice. Remove one."))
                    return
                continue
            if len(cells) > len(head):
                args = {"cells": len(cells), "columns": len(head)}
                message = _("%(cells)d cells, but %(columns)d columns. Quote cells with commas.")
                yield line, FileFault(line, "", message % args)
                continue
            yield line, _from_cells(dict(zip(head, cells, strict=False)))
    except csv.Error:
        message = _("Not CSV: a quotation mark is not closed, or stands inside a cell.")
        yield begun, FileFault(begun, "", message)


def _from_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return a row as an object: lists from cells, choices from the columns A, B, …"""
    row: dict[str, Any] = {}
    choices = {name: cells[name].strip() for name in cells if name in _CHOICES}
    for name, cell in cells.items():
        value = cell.strip()
        if name in choices or not value:
            continue
        key = _ALIASES.get(name, name)
        several = [part.strip() for part in value.split(_BETWEEN)]
        row[name] = several if key in _LISTS else value
    given = [choices[letter] for letter in LETTERS if letter in choices]
    while given and not given[-1]:
        given.pop()
    if given:
        row["choices"] = given
    return row


def _checked(rows: Iterator[_Row]) -> tuple[list[Question], list[FileFault]]:
    questions: list[Question] = []
    faults: list[FileFault] = []
    ids: dict[str, int] = {}
    for line, row in rows:
        if isinstance(row, FileFault):
            faults.append(row)
            continue
        if len(questions) >= MOST_QUESTIONS:
            message = _("More than %(most)d questions. Split the file into several sets.")
            faults.append(FileFault(line, "", message % {"most": MOST_QUESTIONS}))
            break
        question, own = _question(line, row)
        faults += own
        if question is None:
            continue
        if question.id in ids:
            key = "id" if "id" in row else "question"
            message = _("Duplicate of line %(line)d. Remove one.") % {"line": ids[question.id]}
            faults.append(FileFault(line, key, message))
            continue
        ids[question.id] = line
        questions.append(question)
    return questions, faults


def _question(line: int, row: Mapping[str, Any]) -> tuple[Question | None, list[FileFault]]:
    data = {_ALIASES.get(str(key), str(key)): value for key, value in row.items()}
    unknown = [key for key in data if key not in KEYS]
    if unknown:
        message = _("Unknown key. Remove it, or use one of: %(known)s.")
        return None, [
            FileFault(line, key[:40], message % {"known": ", ".join(KEYS)}) for key in unknown
        ]
    faults = [FileFault(line, key, message) for key, message in _of_wrong_type(data)]
    if faults:
        return None, faults
    for name in _LISTS:
        if isinstance(data.get(name), str):
            data[name] = [data[name]]
    _fill_in(data)
    problem = _mismatch(data)
    if problem:
        return None, [FileFault(line, *problem)]
    try:
        return Question.model_validate(data), []
    except ValidationError as error:
        places: dict[str, Any] = {}
        for one in error.errors():  # the first of a key: a later one may follow from it
            places.setdefault(str(one["loc"][0]) if one["loc"] else "", one)
        return None, [FileFault(line, key, message_of(one)) for key, one in places.items()]


def _of_wrong_type(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not str(data.get("question") or "").strip():
        yield "question", _("Missing. Enter the question.")
    if not data.get("answers"):
        yield "answers", _("Missing. Enter the correct answer, or several in a list.")
    for key, value in data.items():
        texts = value if key in _LISTS and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            yield key, _("Must be text. Put it in quotation marks.")
        elif any(_CONTROL.search(text) for text in texts):
            yield key, _("Has control characters. Remove them.")


def _fill_in(data: dict[str, Any]) -> None:
    """Add what a line may leave out."""
    texts = " ".join([data["question"], *data.get("choices", ())])
    data.setdefault("sort", "choice" if data.get("choices") else "short")
    data.setdefault("language", "zh" if _CHINESE.search(texts) else "en")
    data.setdefault("category", "")
    if data["sort"] == "choice":
        data["answers"] = [text.strip().upper() for text in data["answers"]]
    if not data.get("id"):
        # By its content: another order, or another question, changes no id.
        data["id"] = f"q-{text_sha256(texts)[:12]}"


def _mismatch(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return key and message where sort, choices and answers do not fit."""
    choices = data.get("choices") or ()
    if data["sort"] not in ("short", "choice"):
        return "sort", _("Unknown. Write “short” or “choice”.")
    if data["sort"] == "short":
        if choices:
            return "choices", _("A short question has no choices. Write “choice” as its sort.")
        return None
    if not 2 <= len(choices) <= len(LETTERS):
        message = _("A choice needs 2 to %(most)d choices.") % {"most": len(LETTERS)}
        return "choices", message
    letters = LETTERS[: len(choices)]
    if len(data["answers"]) != 1 or data["answers"][0] not in letters:
        message = _("Must be the letter of the correct choice, A to %(last)s.")
        return "answers", message % {"last": letters[-1]}
    return None
