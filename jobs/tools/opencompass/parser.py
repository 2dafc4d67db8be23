"""Run of OpenCompass 0.4 or 0.5: scores, failed sets, answers.

``<folder>/<YYYYmmdd_HHMMSS>/{summary,results,predictions}/…``. The tool exits with 0 even if every
task failed. Success needs a number for every set, see :attr:`Run.outcome`.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from jobs.base.errors import ParseError
from jobs.base.patterns import pattern
from jobs.metrics.measured import TableScore
from jobs.reasoning import thoughts
from jobs.tools.opencompass.tables_parser import (
    Means,
    means,
    parse_csv,
    parse_markdown,
    parse_text,
)
from jobs.tools.outputs.files import json_object

Outcome = Literal["whole", "partial", "none"]
_PART, _NUMBER = pattern(r"(?P<set>.+)_\d+"), pattern(r"_(\d+)$")
_STAMP = pattern(r"\d{8}_\d{6}")
_SUMMARIES = ((".csv", parse_csv), (".md", parse_markdown), (".txt", parse_text))
# The summary rounds to two decimals; halves go either way.
_ROUNDING = 0.00501
_NUMPY = pattern(r"\bnp\.(?:float|int)\d+\((?P<number>[^()]*)\)")


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdict of a set's evaluator on an answer. ``correct`` is None if not reported; ``rule`` is
    that of the dashboard's own evaluator, else "".
    """

    correct: bool | None
    extracted: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class SetResult:
    """Results file. ``values`` are its numbers; ``error`` is the message instead of numbers.

    ``judged``: with details, a row per question with an entry per answer.
    """

    values: Mapping[str, float]
    error: str = ""
    judged: tuple[tuple[Judged, ...], ...] = ()

    @property
    def correct(self) -> tuple[bool | None, ...]:
        """Return the verdict on the first answer of each question."""
        return tuple(answers[0].correct for answers in self.judged)

    @property
    def extracted(self) -> tuple[str, ...]:
        """Return the extracted first answer of each question."""
        return tuple(answers[0].extracted for answers in self.judged)

    def of(self, index: int, sample: int, total: int) -> tuple[Judged | None, int]:
        """Return the verdict on answer ``sample`` to prompt ``index`` of ``total``, and the
        sample's number within its question.

        For several answers per question, all questions are asked, then all again.
        """
        count = len(self.judged)
        if count and total > count and total % count == 0:
            index, sample = index % count, index // count
        elif total != count:
            return None, sample
        answers = self.judged[index]
        return (answers[sample] if sample < len(answers) else None), sample


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answer to a question. ``expected`` comes from the set; ``reasoning`` precedes the answer.

    ``sample`` counts the answers to one prompt from 0. ``thought``: see
    :func:`jobs.reasoning.thoughts.tagged`.
    """

    index: int
    question: str
    answer: str
    expected: str
    reasoning: str = ""
    sample: int = 0
    thought: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Run with ``predictions`` and ``results`` by (model, set)."""

    stamp: str
    scores: tuple[TableScore, ...]
    results: Mapping[tuple[str, str], SetResult] = field(default_factory=dict)
    predictions: Mapping[tuple[str, str], tuple[Prediction, ...]] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models in the order of the summary's columns."""
        return tuple(dict.fromkeys(score.model for score in self.scores))

    @property
    def failed(self) -> tuple[TableScore, ...]:
        """Return the sets without a number."""
        return tuple(score for score in self.scores if score.value is None)

    @property
    def outcome(self) -> Outcome:
        """Return the outcome; ``none`` when no set has a number, although the tool exits with 0."""
        if len(self.failed) == len(self.scores):
            return "none"
        return "partial" if self.failed else "whole"

    def missing(self, expected: Iterable[str]) -> tuple[str, ...]:
        """Return requested sets without a number for some model, also for a truncated summary."""
        scored = {(score.model, score.dataset) for score in self.scores if score.value is not None}
        return tuple(
            name for name in expected if any((model, name) not in scored for model in self.models)
        )

    def asked(self, model: str, dataset: str) -> int:
        """Return the number of asked questions of the set, without repetitions."""
        prompts = len({row.index for row in self.predictions.get((model, dataset), ())})
        result = self.results.get((model, dataset))
        judged = len(result.judged) if result else 0
        return judged if judged and prompts % judged == 0 else prompts

    def means(self, model: str) -> Means | None:
        """Return both means over the sets of ``model`` with a number."""
        counts = {name: self.asked(of, name) for of, name in self.predictions if of == model}
        return means((score for score in self.scores if score.model == model), counts)


def parse(files: Mapping[str, bytes]) -> Run:
    """Return the newest run in ``files`` (path -> content).

    Raises:
        ParseError: no summary, a truncated file or a file of another tool, or results and summary
            disagree.
    """
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


def parse_results(path: str, content: bytes) -> SetResult:
    """Return a results file: ``{"accuracy": 50.0}``, with details, or ``{"error": …}``.

    Raises:
        ParseError: truncated, or neither a number nor an error.
    """
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


def parse_predictions(path: str, content: bytes) -> tuple[Prediction, ...]:
    """Return a predictions file in question order (``tmp_….json`` while growing).

    Raises:
        ParseError: truncated, or in another format.
    """
    data = json_object(path, content)
    try:
        return tuple(
            answer
            for index, each in sorted(data.items(), key=lambda item: int(item[0]))
            for answer in _answers(int(index), each)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} has no predictions of OpenCompass: {error!r}") from error


def _answers(index: int, asked: Mapping[str, Any]) -> list[Prediction]:
    question, expected = _asked(asked["origin_prompt"]), _plain(asked.get("gold"))
    prediction = asked["prediction"]
    texts = (
        [_plain(one) for one in prediction]
        if isinstance(prediction, list)
        else [_plain(prediction)]
    )
    predictions = []
    for sample, text in enumerate(texts or [""]):
        reasoning, answer = thoughts.split(text)
        tags = thoughts.tagged(text)
        predictions.append(Prediction(index, question, answer, expected, reasoning, sample, tags))
    return predictions


def _summary(files: Mapping[str, bytes], stamp: str) -> tuple[TableScore, ...]:
    """Return the newest summary; a resumed run has several."""
    for suffix, read in _SUMMARIES:
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
    parts: Mapping[tuple[str, str], tuple[Prediction, ...]], known: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Prediction, ...]]:
    """Return predictions by set; several workers write parts ``<set>_0.json``, ``<set>_1.json``."""
    joined: dict[tuple[str, str], tuple[Prediction, ...]] = {}
    for model, name in sorted(parts, key=_natural):
        part = _PART.fullmatch(name)
        whole = (model, part["set"] if part else name)
        key = whole if whole in known and (model, name) not in known else (model, name)
        before = joined.get(key, ())
        first = before[-1].index + 1 if before else 0
        joined[key] = (
            *before,
            *(replace(row, index=first + row.index) for row in parts[model, name]),
        )
    return joined


def _natural(key: tuple[str, str]) -> tuple[str, str, int]:
    number = _NUMBER.search(key[1])
    return key[0], key[1][: number.start()] if number else key[1], int(number[1]) if number else -1


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


def _number(value: Any) -> float | None:
    """Return a number, also from text such as ``np.float64(50.0)``."""
    if isinstance(value, str):
        return dict_of(f"{{'it': {value}}}").get("it")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _details(details: Any) -> list[list[Mapping[str, Any]]]:
    """Return the details of the answers to each question, in order. Details are a list, or an
    object with numeric keys.
    """
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
    letters: these are compared here if this yields the exact score.
    """
    verdicts = [[_correct(each) for each in answers] for answers in details]
    if not any(each is not None for answers in verdicts for each in answers):
        verdicts = _by_equal_letters(details, values) or verdicts
    names = ("parsed", "pred", "predictions")
    return tuple(
        tuple(
            Judged(
                verdict,
                # Our own evaluator says what it took, also when that is nothing.
                _first_text(each, names[:1] if each.get("rule") else names),
                _plain(each.get("rule")),
            )
            for each, verdict in zip(answers, of_these, strict=True)
        )
        for answers, of_these in zip(details, verdicts, strict=True)
    )


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


def _correct(detail: Mapping[str, Any]) -> bool | None:
    value = detail.get("correct", detail.get("is_correct"))
    return value if isinstance(value, bool) else None


def _first_text(detail: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((_plain(detail[name]) for name in names if detail.get(name)), "")


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
    if isinstance(value, list):
        return " | ".join(_plain(each) for each in value)
    return str(value)


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
