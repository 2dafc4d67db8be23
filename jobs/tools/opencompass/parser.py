"""Run of OpenCompass 0.4 or 0.5: scores, failed sets, answers.

``<folder>/<YYYYmmdd_HHMMSS>/{summary,results,predictions}/…``. The tool exits with 0 even if every
task failed. Success needs a number for every set.

A summary is a table as CSV, Markdown or text: a row per set, a column per model, scores in per
cent. Columns ``dataset,version,metric,mode,<model>…``; a failed set has ``-`` in all columns.
Documents contain the same Markdown with a manually added mean below, "avg" without a version: it is
no set, and is left out.
"""

import ast
import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.patterns import pattern
from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.metrics.measured import NO_SCORE, TableScore
from jobs.reasoning import split_text, tagged
from jobs.tools.outputs.answers import FAILED, Means, Scored, means_of, question_of
from jobs.tools.outputs.files import json_lines, json_object, lines_of, number_or_none

HEAD = ("dataset", "version", "metric", "mode")
_CSV_PART = pattern(r"\^+\n(?P<rows>.*?)\n\$+\n", dot_all=True)
_SECTION = pattern(r"[-–—]{3,}")  # a summarizer's heading between rows
# A mean below the sets: "avg", "avg cluewsc", "mmlu, avg of 57".
_MEAN = pattern(r"avg(?: .*)?|.*, avg of \d+")
_PART, _NUMBER = pattern(r"(?P<set>.+)_\d+"), pattern(r"_(\d+)$")
_STAMP = pattern(r"\d{8}_\d{6}")
# The summary rounds to two decimals; halves go either way.
_ROUNDING = 0.00501
_NUMPY = pattern(r"\bnp\.(?:float|int)\d+\((?P<number>[^()]*)\)")
# Beside a run of the dashboard's own questions: see scripts/opencompass_questions.py.
ASKED = ".asked.jsonl"


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdict of a set's evaluator on an answer. ``correct`` is None if not reported; ``rule`` is
    that of the dashboard's own evaluator, else ""."""

    correct: bool | None
    extracted: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class SetResult:
    """Results file. ``values`` are its numbers; ``error`` is the message instead of numbers.
    ``judged``: with details, a row per question with an entry per answer."""

    values: Mapping[str, float]
    error: str = ""
    judged: tuple[tuple[Judged, ...], ...] = ()

    def of(self, index: int, sample: int, total: int) -> tuple[Judged | None, int]:
        """Return the verdict on answer ``sample`` to prompt ``index`` of ``total``, and the
        sample's number within its question. For several answers per question, all questions are
        asked, then all again."""
        count = len(self.judged)
        if count and total > count and total % count == 0:
            index, sample = index % count, index // count
        elif total != count:
            return None, sample
        answers = self.judged[index]
        return (answers[sample] if sample < len(answers) else None), sample


@dataclass(frozen=True, slots=True)
class Run:
    """Run with ``predictions`` and ``results`` by (model, set). Predictions have no score; their
    ``sample`` counts the answers to one prompt, their detail has the "thought" of
    :func:`jobs.reasoning.tagged`."""

    stamp: str
    scores: tuple[TableScore, ...]
    results: Mapping[tuple[str, str], SetResult] = field(default_factory=dict)
    predictions: Mapping[tuple[str, str], tuple[Scored, ...]] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(score.model for score in self.scores))

    @property
    def failed(self) -> tuple[TableScore, ...]:
        return tuple(score for score in self.scores if score.value is None)

    def missing(self, expected: Iterable[str]) -> tuple[str, ...]:
        """Return requested sets without a number for some model, also for a truncated summary."""
        scored = {(score.model, score.dataset) for score in self.scores if score.value is not None}
        return tuple(
            name for name in expected if any((model, name) not in scored for model in self.models)
        )

    def asked(self, model: str, dataset: str) -> int:
        prompts = len({row.index for row in self.predictions.get((model, dataset), ())})
        result = self.results.get((model, dataset))
        judged = len(result.judged) if result else 0
        return judged if judged and prompts % judged == 0 else prompts

    def judged(self) -> Iterator[tuple[str, Scored, Judged]]:
        """Return the model of each answer, the answer with set and sample, and its verdict."""
        for (model, name), rows in self.predictions.items():
            result = self.results.get((model, name)) or SetResult({})
            total = len({row.index for row in rows})
            for row in rows:
                judged, sample = result.of(row.index, row.sample, total)
                yield model, replace(row, subset=name, sample=sample), judged or Judged(None, "")

    def means(self, model: str) -> Means | None:
        counts = {name: self.asked(of, name) for of, name in self.predictions if of == model}
        return means((score for score in self.scores if score.model == model), counts)


def means(scores: Iterable[TableScore], counts: Mapping[str, int] | None = None) -> Means | None:
    """Return the means over one model's ``scores``; None when no score is a share. ``counts`` has
    the questions per set; missing sets use the known counts."""
    known = {name: each.questions for name, each in EVALUATION_SETS.items()} | dict(counts or {})
    return means_of(
        [(one.share, known.get(one.dataset, 0)) for one in scores if one.share is not None]
    )


def parse(files: Mapping[str, bytes]) -> Run:
    """Return the newest run in ``files`` (path -> content)."""
    stamps = {stamp for path in files for stamp in _stamps(path)}
    if not stamps:
        raise ParseError("no folder of an OpenCompass run (YYYYmmdd_HHMMSS)")
    stamp = max(stamps)
    own = {path: content for path, content in files.items() if stamp in _stamps(path)}
    scores = _summary(own, stamp)
    results = {_key(p): parse_results(p, own[p]) for p in _below(own, "results")}
    parts = {_key(p): parse_predictions(p, own[p]) for p in _below(own, "predictions")}
    exact = tuple(_exact(score, results) for score in scores)
    return Run(stamp, exact, results, _joined(parts, {(s.model, s.dataset) for s in scores}))


def _stamps(path: str) -> list[str]:
    return [part for part in PurePosixPath(path).parts[:-1] if _STAMP.fullmatch(part)]


def _below(files: Mapping[str, bytes], folder: str) -> list[str]:
    """Return complete files of a folder: ``<folder>/<model>/<set>.json``."""
    return sorted(
        path
        for path in files
        if path.endswith(".json")
        and PurePosixPath(path).parent.parent.name == folder
        and not PurePosixPath(path).name.startswith("tmp_")
    )


def _key(path: str) -> tuple[str, str]:
    pure = PurePosixPath(path)
    return pure.parent.name, pure.name.removesuffix(".json")


def _summary(files: Mapping[str, bytes], stamp: str) -> tuple[TableScore, ...]:
    """Return the newest summary; a resumed run has several."""
    for suffix, read in ((".csv", parse_csv), (".md", parse_markdown), (".txt", parse_text)):
        paths = [
            path
            for path in files
            if PurePosixPath(path).parent.name == "summary" and path.endswith(suffix)
        ]
        if paths:
            newest = max(paths)
            return read(newest, files[newest])
    raise ParseError(f"OpenCompass run {stamp} has no summary")


def _exact(score: TableScore, results: Mapping[tuple[str, str], SetResult]) -> TableScore:
    """Return the score with all decimals of the results."""
    result = results.get((score.model, score.dataset))
    value = result.values.get(score.metric) if result else None
    if value is None or score.value is None:
        return score
    if abs(value - score.value) > _ROUNDING:
        raise ParseError(
            f"{score.dataset} of {score.model} has {score.text} in the summary and {value} in its "
            "results: the files may be from two runs"
        )
    return replace(score, value=value)


def _joined(
    parts: Mapping[tuple[str, str], tuple[Scored, ...]], known: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Scored, ...]]:
    """Return predictions by set; several workers write parts ``<set>_0.json``, ``<set>_1.json``."""
    joined: dict[tuple[str, str], tuple[Scored, ...]] = {}
    for model, name in sorted(parts, key=_natural):
        part = _PART.fullmatch(name)
        whole = (model, part["set"] if part else name)
        key = whole if whole in known and (model, name) not in known else (model, name)
        before = joined.get(key, ())
        first = before[-1].index + 1 if before else 0
        rows = parts[model, name]
        joined[key] = (*before, *(replace(row, index=first + row.index) for row in rows))
    return joined


def _natural(key: tuple[str, str]) -> tuple[str, str, int]:
    number = _NUMBER.search(key[1])
    return key[0], key[1][: number.start()] if number else key[1], int(number[1]) if number else -1


def parse_results(path: str, content: bytes) -> SetResult:
    """Return a results file: ``{"accuracy": 50.0}``, with details, or ``{"error": …}``."""
    data = json_object(path, content)
    values = {
        key: number
        for key, value in data.items()
        if key != "details" and (number := _number(value)) is not None
    }
    error = str(data.get("error") or "")
    if not values and not error:
        raise ParseError(f"{path} has no score of OpenCompass: {', '.join(data) or 'nothing'}")
    return SetResult(values, error, _judged(_details(data.get("details")), values))


def _number(value: Any) -> float | None:
    """Return a number, also from text such as ``np.float64(50.0)``."""
    if isinstance(value, str):
        return dict_of(f"{{'it': {value}}}").get("it")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def dict_of(text: str) -> dict[str, float]:
    """Return the numbers in ``{'accuracy': np.float64(50.0)}``; empty for other text."""
    try:
        parsed: Any = ast.literal_eval(_NUMPY.sub(lambda found: found["number"], text.strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    if not isinstance(parsed, dict):
        return {}
    return {
        str(key): float(value)
        for key, value in parsed.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _details(details: Any) -> list[list[Mapping[str, Any]]]:
    """Return the details of the answers to each question, in order. Details are a list, or an
    object with numeric keys."""
    if isinstance(details, dict):
        numbered = sorted((int(key), each) for key, each in details.items() if key.isdigit())
        details = [each for _, each in numbered]
    return [_of_each(each) for each in details or () if isinstance(each, dict)]


def _of_each(detail: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return details per answer of a question: from a list of objects, or lists of values."""
    several = detail.get("predictions")
    if isinstance(several, list) and several and isinstance(several[0], dict):
        return [each for each in several if isinstance(each, dict)]
    verdicts = detail.get("correct", detail.get("is_correct"))
    if not isinstance(verdicts, list) or not verdicts:
        return [detail]
    return [
        {
            key: value[index] if isinstance(value, list) and len(value) == len(verdicts) else value
            for key, value in detail.items()
        }
        for index in range(len(verdicts))
    ]


def _judged(
    details: Sequence[Sequence[Mapping[str, Any]]], values: Mapping[str, float]
) -> tuple[tuple[Judged, ...], ...]:
    """Return the verdict on each answer. Evaluators that compare letters give no verdict but both
    letters: these are compared here if this yields the exact score."""
    verdicts = [[_correct(each) for each in answers] for answers in details]
    if not any(each is not None for answers in verdicts for each in answers):
        verdicts = _by_equal_letters(details, values) or verdicts
    return tuple(
        tuple(
            Judged(verdict, _extracted(each), _plain(each.get("rule")))
            for each, verdict in zip(answers, of_these, strict=True)
        )
        for answers, of_these in zip(details, verdicts, strict=True)
    )


def _correct(detail: Mapping[str, Any]) -> bool | None:
    value = detail.get("correct", detail.get("is_correct"))
    return value if isinstance(value, bool) else None


def _extracted(detail: Mapping[str, Any]) -> str:
    # Our own evaluator says what it took, also when that is nothing.
    names = ("parsed",) if detail.get("rule") else ("parsed", "pred", "predictions")
    return next((_plain(detail[name]) for name in names if detail.get(name)), "")


def _by_equal_letters(
    details: Sequence[Sequence[Mapping[str, Any]]], values: Mapping[str, float]
) -> list[list[bool | None]]:
    try:
        equal = [[bool(e["predictions"] == e["references"]) for e in each] for each in details]
    except KeyError:
        return []
    every = [verdict for each in equal for verdict in each]
    if not every or "accuracy" not in values:
        return []
    agrees = abs(100 * sum(every) / len(every) - values["accuracy"]) < _ROUNDING
    return [[*each] for each in equal] if agrees else []


def parse_predictions(path: str, content: bytes) -> tuple[Scored, ...]:
    """Return a predictions file in question order (``tmp_….json`` while growing)."""
    data = json_object(path, content)
    try:
        return tuple(
            answer
            for index, each in sorted(data.items(), key=lambda item: int(item[0]))
            for answer in _answers(int(index), each)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} has no predictions of OpenCompass: {error!r}") from error


def _answers(index: int, asked: Mapping[str, Any]) -> list[Scored]:
    said = asked["prediction"]
    predictions = []
    for sample, each in enumerate((said or [""]) if isinstance(said, list) else [said]):
        text = _plain(each)
        reasoning, answer = split_text(text)
        predictions.append(
            Scored(
                benchmark="",
                subset="",
                index=index,
                question=_asked(asked["origin_prompt"]),
                expected=_plain(asked.get("gold")),
                answer=answer,
                score=None,
                sample=sample,
                reasoning=reasoning,
                detail={"thought": tagged(text)},
            )
        )
    return predictions


def _asked(prompt: Any) -> str:
    """Return the prompt as text, from a string or messages with roles (HUMAN, BOT, SYSTEM)."""
    if isinstance(prompt, str):
        return prompt
    messages = [(str(each["role"]), str(each["prompt"])) for each in prompt]
    if len(messages) == 1:
        return messages[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in messages)


def _plain(value: Any) -> str:
    """Return text; several samples or accepted answers are joined."""
    if value is None:
        return ""
    return " | ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def parse_csv(path: str, content: bytes) -> tuple[TableScore, ...]:
    text = _text(path, content)
    return _scores(path, list(csv.reader(io.StringIO(text))))


def parse_markdown(path: str, content: bytes) -> tuple[TableScore, ...]:
    """Return the scores of all such tables in a text, in order; other text is ignored."""
    tables = list(_markdown_tables(content))
    if not tables:
        raise ParseError(f"{path} has no table '| {' | '.join(HEAD)} | …'")
    return tuple(score for table in tables for score in _scores(path, table))


def parse_text(path: str, content: bytes) -> tuple[TableScore, ...]:
    """Return the scores in the part "csv format" of ``summary_*.txt``."""
    _, mark, rest = _text(path, content).partition("csv format\n")
    body = _CSV_PART.match(rest) if mark else None
    if body is None:
        raise ParseError(f"{path} is no summary of OpenCompass, or is cut off: no whole csv format")
    return _scores(path, list(csv.reader(io.StringIO(body["rows"]))))


def _text(path: str, content: bytes) -> str:
    if not content.strip():
        raise ParseError(f"{path} is empty; a summary of OpenCompass was expected")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(f"{path} is no text: {error}") from error


def _markdown_tables(content: bytes) -> Iterator[list[list[str]]]:
    rows: list[list[str]] = []
    for line in [*(line.text.strip() for line in lines_of(content)), ""]:
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if tuple(cells[: len(HEAD)]) == HEAD:
            if rows:
                yield rows
            rows = [cells]
        elif rows and cells and set("".join(cells)) <= set("-: ") and len("".join(cells)) > 9:
            continue  # the line between head and rows
        elif rows and cells:
            rows.append(cells)
        elif rows:
            yield rows
            rows = []


def _scores(path: str, rows: Sequence[Sequence[str]]) -> tuple[TableScore, ...]:
    """Return a score per row and model: all rows of the first model, then of the next."""
    head, *body = [row for row in rows if any(cell.strip() for cell in row)] or [[]]
    if tuple(head[: len(HEAD)]) != HEAD or len(head) == len(HEAD):
        raise ParseError(f"{path} begins with {head!r}, not with {', '.join(HEAD)} and a model")
    if not body:
        raise ParseError(f"{path} has a header but no rows")
    scores = []
    for place, model in enumerate(head[len(HEAD) :], len(HEAD)):
        for row in body:
            if len(row) != len(head):
                raise ParseError(
                    f"{path}: row {row!r} does not have the {len(head)} cells of the header"
                )
            is_mean = row[1].strip() in NO_SCORE and _MEAN.fullmatch(row[0].strip())
            if not _SECTION.match(row[0]) and not is_mean:
                scores.append(_score(path, model, row, row[place]))
    if not scores:
        raise ParseError(f"{path} has means only, no data sets")
    return tuple(scores)


def _score(path: str, model: str, row: Sequence[str], text: str) -> TableScore:
    dataset, version, metric, mode = ("" if cell == "-" else cell for cell in row[: len(HEAD)])
    try:
        value = None if text in NO_SCORE else float(text)
    except ValueError as error:
        raise ParseError(f"{path}: {text!r} of {dataset} is no score") from error
    if not dataset:
        raise ParseError(f"{path}: row {list(row)!r} has no set name")
    return TableScore(model, dataset, version, metric, mode, value, text)


def parse_questions(files: Mapping[str, bytes]) -> tuple[Scored, ...]:
    """Return the answers to the dashboard's own questions, in the order of subsets and questions. A
    failed request has no score: the tool counts it as incorrect."""
    run = parse({path: content for path, content in files.items() if not path.endswith(ASKED)})
    asked: dict[str, list[Mapping[str, Any]]] = {}
    for path, content in files.items():
        if PurePosixPath(path).name == ASKED:
            for line in json_lines(path, content):
                asked.setdefault(str(line.get("prompt")), []).append(line)
    # Of several samples some may have failed: those without a text.
    failed = {prompt: sum("error" in line for line in own) for prompt, own in asked.items()}
    rows = []
    for _model, row, judged in run.judged():
        is_empty = not (row.answer or row.reasoning) and failed.get(row.question, 0) > 0
        if is_empty:
            failed[row.question] -= 1
        lines = asked.get(row.question, ())
        rows.append(_scored(row, judged, lines, has_failed=is_empty))
    return tuple(rows)


def _scored(
    row: Scored, judged: Judged, asked: Sequence[Mapping[str, Any]], *, has_failed: bool
) -> Scored:
    record = json_object(f"gold of {row.subset}", row.expected.encode())
    heard = [line for line in asked if "error" not in line]
    line = heard[min(row.sample, len(heard) - 1)] if heard else {}
    status = "" if judged.correct is not None else "unscored"
    if has_failed or (asked and not heard):
        status = FAILED
    answers = record.get("answers")
    rule, _, scorer = judged.rule.partition("@")
    detail = {
        "id": record.get("id"),
        "category": record.get("category"),
        "rule": rule or None,
        "scorer": int(scorer) if scorer.isdecimal() else None,
        "latency_s": number_or_none(line, "seconds"),
        "input_tokens": number_or_none(line, "input_tokens"),
        "output_tokens": number_or_none(line, "output_tokens"),
        "prompt": row.question,
    }
    return replace(
        row,
        benchmark="questions",
        question=question_of(record) or row.question,
        expected=" | ".join(map(str, answers if isinstance(answers, list) else ())),
        score=None if status else float(bool(judged.correct)),
        extracted=judged.extracted,
        question_id=str(record.get("id") or ""),
        finish=str(line.get("finish") or ""),
        status=status,
        detail={name: value for name, value in detail.items() if value is not None},
    )
