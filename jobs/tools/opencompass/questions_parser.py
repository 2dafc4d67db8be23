"""OpenCompass's run of the dashboard's own questions.

Beside the run's own files, ``.asked.jsonl`` has a line for each answer: the file and the format are
those of ``scripts/opencompass_questions.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from jobs.tools.evalscope.eval_parser import FAILED, Scored
from jobs.tools.opencompass import parser as opencompass
from jobs.tools.opencompass.parser import Judged, Prediction, SetResult
from jobs.tools.outputs.answers import question_of
from jobs.tools.outputs.files import json_lines, json_object, number_or_none

ASKED = ".asked.jsonl"
_BENCHMARK = "questions"


def parse(files: Mapping[str, bytes]) -> tuple[Scored, ...]:
    """Return the answers in the order of subsets and questions.

    A failed request has no score: the tool counts it as incorrect.

    Raises:
        ParseError: no run, or files in another format.
    """
    own = {path: content for path, content in files.items() if not path.endswith(ASKED)}
    run = opencompass.parse(own)
    asked: dict[str, list[Mapping[str, Any]]] = {}
    for path, content in files.items():
        if PurePosixPath(path).name == ASKED:
            for line in json_lines(path, content):
                asked.setdefault(str(line.get("prompt")), []).append(line)
    # Of several samples some may have failed: those without a text.
    failed = {prompt: sum("error" in line for line in own) for prompt, own in asked.items()}
    rows = []
    for key, predictions in run.predictions.items():
        result = run.results.get(key) or SetResult({})
        total = len({row.index for row in predictions})
        for row in predictions:
            judged, sample = result.of(row.index, row.sample, total)
            lines = asked.get(row.question, ())
            is_empty = not (row.answer or row.reasoning) and failed.get(row.question, 0) > 0
            if is_empty:
                failed[row.question] -= 1
            has_failed = is_empty or (bool(lines) and all("error" in line for line in lines))
            rows.append(_scored(key[1], row, judged, sample, lines, has_failed=has_failed))
    return tuple(rows)


def _scored(
    subset: str,
    row: Prediction,
    judged: Judged | None,
    sample: int,
    asked: Sequence[Mapping[str, Any]],
    *,
    has_failed: bool,
) -> Scored:
    record = json_object(f"gold of {subset}", row.expected.encode())
    heard = [line for line in asked if "error" not in line]
    line = heard[min(sample, len(heard) - 1)] if heard else {}
    correct = judged.correct if judged else None
    status = FAILED if has_failed else "" if correct is not None else "unscored"
    return Scored(
        benchmark=_BENCHMARK,
        subset=subset,
        index=row.index,
        question=question_of(record) or row.question,
        expected=" | ".join(map(str, _list(record.get("answers")))),
        answer=row.answer,
        score=None if status else float(bool(correct)),
        extracted=judged.extracted if judged else "",
        question_id=str(record.get("id") or ""),
        sample=sample,
        reasoning=row.reasoning,
        finish=str(line.get("finish") or ""),
        status=status,
        detail=_detail(record, line, judged.rule if judged else "") | {"prompt": row.question},
    )


def _detail(record: Mapping[str, Any], line: Mapping[str, Any], rule: str) -> dict[str, Any]:
    rule, _, scorer = rule.partition("@")
    fields = {
        "id": record.get("id"),
        "category": record.get("category"),
        "rule": rule or None,
        "scorer": int(scorer) if scorer.isdecimal() else None,
        "latency_s": number_or_none(line, "seconds"),
        "input_tokens": number_or_none(line, "input_tokens"),
        "output_tokens": number_or_none(line, "output_tokens"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
