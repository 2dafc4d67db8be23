"""Results of lm-evaluation-harness (lm-eval), with its samples.

A task may have several metrics, and several filters of the answers. The first share of the
questions counts; its name is in the mode of the set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.metrics.measured import Measurement, SetScore
from jobs.reasoning import thoughts
from jobs.tools.importing import dates as imports_dates
from jobs.tools.importing.base import Reader, Reading, Refusal, Refused, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.values import inside, text, title_of, whole
from jobs.tools.outputs.answers import Answered, kept
from jobs.tools.outputs.files import json_lines, json_object, number_or_none

# Shares of the questions, the first present one counts.
_SHARES = ("exact_match", "acc", "pass@1")


class LmEval(Reader):
    """``results_<time>.json`` and ``samples_<task>_<time>.jsonl``."""

    tool = "lm-eval"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a results file."""
        return bundle.has_keys(path, ("lm_eval_version", "n-samples", "task_hashes"), 2)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per results file. Samples are read for a single one only."""
        for path in own:
            samples = _samples(bundle, path) if len(own) == 1 else []
            yield attempt([path], _reading, bundle, path, samples)


def _samples(bundle: Bundle, path: str) -> list[str]:
    return [
        one
        for one in bundle.beside(path)
        if all(key in bundle.files[one][:65536] for key in (b'"doc_id"', b'"filtered_resps"'))
    ]


def _reading(bundle: Bundle, path: str, samples: Sequence[str]) -> Reading:
    data = json_object(path, bundle.files[path])
    results = inside(data, "results")
    if not results:
        raise ParseError(f"{path}: 'results' has no task")
    children = inside(data, "group_subtasks")
    groups = {name for name, tasks in children.items() if tasks}
    sets, answers, shares = [], [], []
    for task in results:
        if task in groups:
            continue
        score, key = _score(path, data, task, children)
        sets.append(score)
        if score.value is not None:
            shares.append(score)
            answers += _answers(bundle, samples, task, key, alone=len(results) == 1)
    if not shares:
        names = ", ".join(f"{one.dataset} ({one.mode})" for one in sets)
        raise Refused(Message("import:no_share", {"sets": names}))
    metrics = _metrics(shares)
    version = text(data, "lm_eval_version")
    others = [one.dataset for one in sets if one.value is None]
    return Reading(
        LmEval.tool,
        version,
        text(data, "model_name"),
        Measurement(
            type="evaluation",
            what=title_of((one.dataset for one in sets), " + "),
            tool=f"{LmEval.tool} {version}".strip(),
            metrics=metrics,
            answers=kept(answers),
            remarks=[Message("import:other_metrics", {"sets": ", ".join(others)})]
            if others
            else [],
            sets=sets,
        ),
        (path,),
        companions=tuple(samples) if answers else (),
        at=imports_dates.of_epoch(data.get("date")),
    )


def _score(
    path: str, data: Mapping[str, Any], task: str, children: Mapping[str, Any]
) -> tuple[SetScore, str]:
    """Return the score of a task, and its key: "exact_match,strict-match"."""
    values = inside(data, "results", task)
    keys = [key for name in _SHARES for key in values if key.partition(",")[0] == name]
    questions = whole(inside(data, "n-samples", task), "effective") or whole(values, "sample_len")
    group = next(
        (name for name, tasks in children.items() if isinstance(tasks, list) and task in tasks),
        task,
    )
    version = str(inside(data, "versions").get(task, ""))[:32]
    if not keys:
        mode = ", ".join(key for key in values if key not in ("name", "alias", "sample_len"))
        return SetScore(task, version, "", mode[:100], None, questions or None, group), ""
    value = number_or_none(values, keys[0])
    if value is None or not 0 <= value <= 1:
        raise ParseError(f"{path}: 'results.{task}.{keys[0]}' is not a number from 0 to 1")
    return (
        SetScore(task, version, "accuracy", keys[0], 100 * value, questions or None, group),
        keys[0],
    )


def _metrics(shares: Sequence[SetScore]) -> dict[str, float]:
    values = [(one.value or 0.0) / 100 for one in shares]
    metrics = {"accuracy_macro": sum(values) / len(values)}
    sizes = [one.questions or 0 for one in shares]
    questions = sum(sizes)
    if not all(sizes):
        return metrics
    weighted = sum(size * value for size, value in zip(sizes, values, strict=True)) / questions
    return metrics | {
        "accuracy": weighted,
        "accuracy_weighted": weighted,
        "questions": float(questions),
        "correct": float(round(weighted * questions)),
    }


def _answers(
    bundle: Bundle, samples: Sequence[str], task: str, key: str, *, alone: bool
) -> list[Answered]:
    """Return the answers to one task. Rows of another filter are left out."""
    metric, _comma, wanted = key.partition(",")
    answers = []
    for path in samples:
        if not alone and f"samples_{task}_" not in path:
            continue
        for row in json_lines(path, bundle.files[path]):
            if text(row, "filter") in ("", wanted):
                answers.append(_answer(row, task, metric))
    return answers


def _answer(row: Mapping[str, Any], task: str, metric: str) -> Answered:
    text_as_said = _first(row.get("resps"))
    reasoning, said = thoughts.split(text_as_said)
    return Answered(
        subset=task,
        question=_question(row),
        expected=str(row.get("target") or ""),
        answer=said,
        score=number_or_none(row, metric),
        question_id=str(row.get("doc_id", "")),
        extracted=_first(row.get("filtered_resps")),
        reasoning=reasoning,
        detail={"thought": thoughts.tagged(text_as_said)},
    )


def _question(row: Mapping[str, Any]) -> str:
    """Return the last message of the request, else the document's question."""
    sent = inside(row, "arguments", "gen_args_0").get("arg_0")
    sent = sent[0] if isinstance(sent, list) and sent else sent
    try:
        messages = json.loads(sent) if isinstance(sent, str) else None
    except (ValueError, RecursionError):
        messages = None
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        return str(messages[-1].get("content") or "")
    return text(inside(row, "doc"), "question") or (sent if isinstance(sent, str) else "")


def _first(value: Any) -> str:
    """Return the first text of nested lists."""
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else ""
