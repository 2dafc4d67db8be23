"""Evaluations by OpenCompass 0.4 or 0.5: jobs, imported work folders and tables.

``<folder>/<YYYYmmdd_HHMMSS>/{summary,results,predictions}/…``. The tool exits with 0 even if every
task failed. Success needs a number for every set.

A summary is a table as CSV, Markdown or text: a row per set, a column per model, scores in per
cent. Columns ``dataset,version,metric,mode,<model>…``; a failed set has ``-`` in all columns.
Documents contain the same Markdown with a manually added mean below, "avg" without a version: it is
no set, and is left out.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from jobs import reasoning
from jobs.base import grouped
from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import finite
from jobs.base.patterns import pattern
from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.kinds.evaluate import (
    OpencompassSetsParams,
    accuracy_message,
    group_of,
    limited_remark,
    sets_of,
)
from jobs.kinds.lib.vacc import stack_of
from jobs.metrics.measured import NO_SCORE, Measurement, Outcome, SetScore, TableScore
from jobs.tools import imports
from jobs.tools.imports import Bundle, ImportRefusal, ImportRefused, Reader, Reading, attempt
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.opencompass.commands import CEVAL
from jobs.tools.outputs.answers import FAILED, Means, Scored, kept, means_of, question_of
from jobs.tools.outputs.files import Ended, json_lines, json_object, lines_of, number_or_none

HEAD = ("dataset", "version", "metric", "mode")
_CSV_PART = pattern(r"\^+\n(?P<rows>.*?)\n\$+\n", dot_all=True)
_SECTION = pattern(r"[-–—]{3,}")  # a summarizer's heading between rows
# A mean below the sets: "avg", "avg cluewsc", "mmlu, avg of 57".
_MEAN = pattern(r"avg(?: .*)?|.*, avg of \d+")
_PART = pattern(r"(.+)_(\d+)")
_STAMP = pattern(r"\d{8}_\d{6}")
# The summary rounds to two decimals; halves go either way.
_ROUNDING = 0.00501
_NUMPY = pattern(r"np\.(?:float|int)\d+\(([^()]*)\)")
# Beside a run of the dashboard's own questions: see scripts/opencompass_questions.py.
ASKED = ".asked.jsonl"
_CSV = ",".join(HEAD).encode()
_MARKDOWN = pattern(rb"\|\s*" + rb"\s*\|\s*".join(name.encode() for name in HEAD))
_TEXT = b"tabulate format\n"
_ERROR = pattern(r"[\w.]*(?:Error|Exception)\b")
_SUMMARY = pattern(r"summary_(\d{8}_\d{6})\.(?:csv|md|txt)")
_LONGEST_LINE, _MOST_NAMES = 300, 10
_Key = tuple[str, str]  # model and set


class Judged(NamedTuple):
    """Verdict of a set's evaluator on an answer. ``correct`` is None if not reported; ``rule`` is
    that of the dashboard's own evaluator, else ""."""

    correct: bool | None = None
    extracted: str = ""
    rule: str = ""


class ResultsFile(NamedTuple):
    """Results file: its numbers, and with details a row per question with an entry per answer."""

    values: Mapping[str, float]
    judged: tuple[tuple[Judged, ...], ...] = ()

    def of(self, index: int, sample: int, total: int) -> tuple[Judged, int]:
        """Return the verdict on answer ``sample`` to prompt ``index`` of ``total``, and the
        sample's number within its question. For several answers per question, all questions are
        asked, then all again."""
        count = len(self.judged)
        if count and total > count and total % count == 0:
            index, sample = index % count, index // count
        elif total != count:
            return Judged(), sample
        answers = self.judged[index]
        return (answers[sample] if sample < len(answers) else Judged()), sample


@dataclass(frozen=True, slots=True)
class OpenCompassRun:
    """Run with ``predictions`` and ``results``. Predictions have no score; their ``sample`` counts
    the answers to one prompt, their detail has the ``thought`` of :class:`jobs.reasoning.Parts`."""

    stamp: str
    scores: tuple[TableScore, ...]
    results: Mapping[_Key, ResultsFile] = field(default_factory=dict)
    predictions: Mapping[_Key, tuple[Scored, ...]] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(score.model for score in self.scores))

    def asked(self, model: str, dataset: str) -> int:
        prompts = len({row.index for row in self.predictions.get((model, dataset), ())})
        result = self.results.get((model, dataset))
        judged = len(result.judged) if result else 0
        return judged if judged and prompts % judged == 0 else prompts

    def judged(self, model: str) -> Iterator[tuple[Scored, Judged]]:
        """Yield the answers, each with set and number among those to the question, and verdicts."""
        for (of, name), rows in self.predictions.items():
            if of == model:
                result = self.results.get((model, name)) or ResultsFile({})
                total = len({row.index for row in rows})
                for row in rows:
                    judged, sample = result.of(row.index, row.sample, total)
                    yield replace(row, subset=name, sample=sample), judged

    def means(self, model: str) -> Means | None:
        """Return the means over sets; known counts of questions where the run has none."""
        known = {name: each.questions for name, each in EVALUATION_SETS.items()}
        known |= {name: self.asked(of, name) for of, name in self.predictions if of == model}
        own = [one for one in self.scores if one.model == model]
        return means_of(
            [(one.share, known.get(one.dataset, 0)) for one in own if one.share is not None]
        )


def parse(files: Mapping[str, bytes]) -> OpenCompassRun:
    """Return the newest run in ``files`` (path -> content)."""
    stamps = {stamp for path in files for stamp in _stamps(path)}
    if not stamps:
        raise ParseError("no folder of an OpenCompass run (YYYYmmdd_HHMMSS)")
    stamp = max(stamps)
    own = {path: content for path, content in files.items() if stamp in _stamps(path)}
    scores = _summary(own, stamp)
    results = {key: parse_results(p, own[p]) for key, p in _below(own, "results").items()}
    parts = {key: parse_predictions(p, own[p]) for key, p in _below(own, "predictions").items()}
    exact = tuple(_exact(score, results) for score in scores)
    return OpenCompassRun(
        stamp, exact, results, _joined(parts, {(s.model, s.dataset) for s in scores})
    )


def _stamps(path: str) -> list[str]:
    return [part for part in PurePosixPath(path).parts[:-1] if _STAMP.fullmatch(part)]


def _below(files: Iterable[str], folder: str) -> dict[_Key, str]:
    """Return complete files ``<folder>/<model>/<set>.json``."""
    return {
        (pure.parent.name, pure.stem): path
        for path in sorted(files)
        if (pure := PurePosixPath(path)).match(f"{folder}/*/*.json")
        and not pure.name.startswith("tmp_")
    }


def _summary(files: Mapping[str, bytes], stamp: str) -> tuple[TableScore, ...]:
    """Return the newest summary; a resumed run has several."""
    for suffix, read in ((".csv", parse_csv), (".md", parse_markdown), (".txt", parse_text)):
        paths = [path for path in files if PurePosixPath(path).match(f"summary/*{suffix}")]
        if paths:
            return read(max(paths), files[max(paths)])
    raise ParseError(f"OpenCompass run {stamp} has no summary")


def _exact(score: TableScore, results: Mapping[_Key, ResultsFile]) -> TableScore:
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
    parts: Mapping[_Key, tuple[Scored, ...]], known: Collection[_Key]
) -> dict[_Key, tuple[Scored, ...]]:
    """Return predictions by set; several workers write parts ``<set>_0.json``, ``<set>_1.json``."""
    joined: dict[_Key, tuple[Scored, ...]] = {}
    for model, name in sorted(parts, key=_natural):
        whole = _natural((model, name))[:2]
        key = whole if whole in known and (model, name) not in known else (model, name)
        before = joined.get(key, ())
        first = before[-1].index + 1 if before else 0
        rows = parts[model, name]
        joined[key] = (*before, *(replace(row, index=first + row.index) for row in rows))
    return joined


def _natural(key: _Key) -> tuple[str, str, int]:
    part = _PART.fullmatch(key[1])
    return (key[0], part[1], int(part[2])) if part else (*key, -1)


def parse_results(path: str, content: bytes) -> ResultsFile:
    """Return a results file: ``{"accuracy": 50.0}``, with details, or ``{"error": …}``."""
    data = json_object(path, content)
    numbers = {key: _number(value) for key, value in data.items() if key != "details"}
    if not any(number is not None for number in numbers.values()) and not data.get("error"):
        raise ParseError(f"{path} has no score of OpenCompass: {', '.join(data) or 'nothing'}")
    values = {key: each for key, number in numbers.items() if (each := finite(number)) is not None}
    return ResultsFile(values, _judged(data.get("details"), values))


def _number(value: Any) -> float | None:
    """Return a number, NaN too, also from text such as ``np.float64(50.0)``."""
    if isinstance(value, str):
        match = _NUMPY.fullmatch(value.strip())
        try:
            value = float(match[1] if match else value)
        except ValueError:
            return None
    return value if isinstance(value, float) else finite(value)


def _judged(details: Any, values: Mapping[str, float]) -> tuple[tuple[Judged, ...], ...]:
    """Return verdicts on the answers to each question, from a list or an object with numeric keys.
    Evaluators that compare letters give no verdict but both letters: these are compared here if
    this yields the exact score."""
    if isinstance(details, dict):
        numbered = sorted((int(key), each) for key, each in details.items() if key.isdigit())
        details = [each for _, each in numbered]
    questions = [_of_each(each) for each in details or () if isinstance(each, dict)]
    judged = tuple(tuple(map(_verdict, answers)) for answers in questions)
    if any(one.correct is not None for answers in judged for one in answers):
        return judged
    try:
        equal = [[bool(e["predictions"] == e["references"]) for e in each] for each in questions]
    except KeyError:
        return judged
    every = [is_equal for each in equal for is_equal in each]
    share = 100 * sum(every) / max(1, len(every))
    if not every or abs(share - values.get("accuracy", inf)) >= _ROUNDING:
        return judged
    pairs = zip(judged, equal, strict=True)
    return tuple(
        tuple(one._replace(correct=is_equal) for one, is_equal in zip(*pair, strict=True))
        for pair in pairs
    )


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


def _verdict(detail: Mapping[str, Any]) -> Judged:
    value = detail.get("correct", detail.get("is_correct"))
    # Our own evaluator says what it took, also when that is nothing.
    names = ("parsed",) if detail.get("rule") else ("parsed", "pred", "predictions")
    return Judged(
        value if isinstance(value, bool) else None,
        next((_plain(detail[name]) for name in names if detail.get(name)), ""),
        _plain(detail.get("rule")),
    )


def parse_predictions(path: str, content: bytes) -> tuple[Scored, ...]:
    """Return a predictions file in question order (``tmp_….json`` while growing)."""
    data = json_object(path, content)
    try:
        return tuple(
            answer
            for index, each in sorted(data.items(), key=lambda item: int(item[0]))
            for answer in _predicted(int(index), each)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} has no predictions of OpenCompass: {error!r}") from error


def _predicted(index: int, asked: Mapping[str, Any]) -> Iterator[Scored]:
    said = asked["prediction"]
    for sample, each in enumerate((said or [""]) if isinstance(said, list) else [said]):
        text = _plain(each)
        split = reasoning.parts(text, ended=True)
        yield Scored(
            benchmark="",
            subset="",
            index=index,
            question=_prompt(asked["origin_prompt"]),
            expected=_plain(asked.get("gold")),
            answer=split.answer,
            score=None,
            sample=sample,
            reasoning=split.reasoning,
            detail={"thought": split.thought},
        )


def _prompt(prompt: Any) -> str:
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
    return _scores(path, list(csv.reader(io.StringIO(_text(path, content)))))


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


def parse_questions(files: Mapping[str, bytes]) -> list[Scored]:
    """Return the answers to the dashboard's own questions, in the order of subsets and questions.
    A failed request has no score: the tool counts it as incorrect."""
    run = parse({path: content for path, content in files.items() if not path.endswith(ASKED)})
    asked = grouped(
        (str(line.get("prompt")), line)
        for path, content in files.items()
        if PurePosixPath(path).name == ASKED
        for line in json_lines(path, content)
    )
    # Of several samples some may have failed: those without a text.
    failed = {prompt: sum("error" in line for line in own) for prompt, own in asked.items()}
    rows = []
    for model in run.models:
        for row, judged in run.judged(model):
            is_empty = not (row.answer or row.reasoning) and failed.get(row.question, 0) > 0
            if is_empty:
                failed[row.question] -= 1
            lines = asked.get(row.question, ())
            rows.append(_own_answer(row, judged, lines, has_failed=is_empty))
    return rows


def _own_answer(
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


def outcome(ended: Ended) -> Outcome:
    """OpenCompass exits with 0 when every task failed."""
    run, params = parse(ended.nested), ended.params
    lacking = _lacking(params, run)
    if lacking:
        sets = len({score.dataset for score in run.scores} | set(lacking))
        args = {"missing": len(lacking), "sets": sets, "first": lacking[0]}
        return Outcome(failure=Message("evaluate:sets_missing", args))
    (model,) = run.models
    means = run.means(model)
    if means is None:
        return Outcome(failure=Message("evaluate:no_question", {"questions": 0}))
    others = [score.dataset for score in run.scores if score.is_as_published is False]
    named = [Message("evaluate:other_prompt", {"sets": ", ".join(others)})] if others else []
    return Outcome(
        message=accuracy_message(means.macro, means.weighted, means.sets, means.questions),
        measured=Measurement(
            type="evaluation",
            what=sets_of(params),
            tool=f"OpenCompass {stack_of(params).evaluation.opencompass}",
            metrics={**means.metrics, "unanswered": _unanswered(run, model)},
            answers=_answers(run, model),
            remarks=[*named, *limited_remark(params)],
            sets=_sets(run, model),
        ),
    )


def _lacking(params: OpencompassSetsParams, run: OpenCompassRun) -> list[str]:
    """Return sets without a number, also those that a truncated summary lacks."""
    expected = opencompass.sets_of(params.datasets, ten_of_mmlu=params.mmlu == "ten")
    if CEVAL in expected:  # any of them will do: a failed one has a separate row
        expected.remove(CEVAL)
        if not any(score.dataset.startswith(CEVAL) for score in run.scores):
            expected.append(f"{CEVAL}*")
    failed = [score.dataset for score in run.scores if score.value is None]
    scored = {score.dataset for score in run.scores if score.value is not None}
    return list(dict.fromkeys([*failed, *(name for name in expected if name not in scored)]))


def _answers(run: OpenCompassRun, model: str) -> list[dict[str, Any]]:
    return kept(
        replace(
            row,
            score=None if judged.correct is None else float(judged.correct),
            extracted=judged.extracted,
        )
        for row, judged in run.judged(model)
    )


def _unanswered(run: OpenCompassRun, model: str) -> float:
    return float(sum(not row.answer.strip() for row, _judged in run.judged(model)))


def _sets(run: OpenCompassRun, model: str) -> list[SetScore]:
    scores = []
    for score in run.scores:
        if score.model == model:
            known = EVALUATION_SETS.get(score.dataset)
            asked = run.asked(model, score.dataset) or (known.questions if known else None)
            head = (score.dataset, score.version, score.metric, score.mode)
            scores.append(SetScore(*head, score.value, asked, group_of(score.dataset)))
    return scores


class Opencompass(Reader):
    """``<YYYYmmdd_HHMMSS>/{summary,results,predictions}``, or a table alone."""

    tool = "OpenCompass"

    def claims(self, bundle: Bundle, path: str) -> bool:
        content = bundle.files[path]
        is_csv = content.lstrip().startswith(_CSV)
        return is_csv or _TEXT in content or _MARKDOWN.search(content) is not None

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """Return a result per run and model. Tables outside of a run count only without one."""
        roots: dict[str, list[str]] = {}  # folder of a run -> its summaries
        for path in own:
            pure = PurePosixPath(path)
            if pure.parent.name == "summary" and _SUMMARY.fullmatch(pure.name):
                roots.setdefault(str(pure.parent.parent), []).append(path)
        found = [one for root, paths in roots.items() for one in _of_run(bundle, root, paths)]
        if roots:
            return found
        # The same table as CSV, Markdown or text: the first one by its format.
        seen: dict[object, tuple[str, OpenCompassRun | ImportRefusal]] = {}
        for path in own:
            content, key = bundle.files[path], object()
            is_csv = content.lstrip().startswith(_CSV)
            read = parse_csv if is_csv else parse_text if _TEXT in content else parse_markdown
            table = attempt([path], read, path, content)
            run = table if isinstance(table, ImportRefusal) else OpenCompassRun("", table)
            if isinstance(run, OpenCompassRun):
                key = frozenset((one.model, one.dataset, one.text) for one in run.scores)
            seen.setdefault(key, (path, run))
        return [one for path, run in seen.values() for one in _of_models(run, [path], bundle, {})]


def _of_run(bundle: Bundle, root: str, summaries: Sequence[str]) -> list[Reading | ImportRefusal]:
    match = _SUMMARY.fullmatch(PurePosixPath(max(summaries)).name)
    stamp = match[1] if match else ""
    # Names as the parser knows them, also for an archive without the folder's own name.
    names = {
        f"{stamp}/{PurePosixPath(path).relative_to(root)}": path
        for path in bundle.files
        if PurePosixPath(path).is_relative_to(root)
    }
    run = attempt(summaries, parse, {name: bundle.files[path] for name, path in names.items()})
    return _of_models(run, summaries, bundle, names)


def _of_models(
    run: OpenCompassRun | ImportRefusal,
    summaries: Sequence[str],
    bundle: Bundle,
    names: Mapping[str, str],
) -> list[Reading | ImportRefusal]:
    """``names``: path in the run -> path in the bundle."""
    if isinstance(run, ImportRefusal):
        return [run]
    return [
        attempt(summaries, _of_model, run, model, summaries, bundle, names) for model in run.models
    ]


def _of_model(
    run: OpenCompassRun,
    model: str,
    summaries: Sequence[str],
    bundle: Bundle,
    names: Mapping[str, str],
) -> Reading:
    own = [score for score in run.scores if score.model == model]
    failed = [score.dataset for score in own if score.value is None]
    if len(failed) == len(own):
        args = {"sets": _names(failed), "line": _cause(bundle, names)}
        raise ImportRefused(
            Message("import:no_score" if args["line"] else "import:no_scores", args)
        )
    # Only answers in the files tell the number of questions: the run may have asked a part.
    sets = [
        replace(score, questions=run.asked(model, score.dataset) or None)
        for score in _sets(run, model)
    ]
    means = run.means(model)
    if means is None:
        args = {"sets": _names(f"{one.dataset} ({one.metric})" for one in own)}
        raise ImportRefused(Message("import:no_share", args))
    if any(one.value is not None and one.questions is None for one in sets):
        means = replace(means, weighted=None, questions=None)
    answers, metrics = _answers(run, model), means.metrics
    remarks: list[Message] = []
    if answers:
        metrics["unanswered"] = _unanswered(run, model)
    if failed:
        missing = {"missing": len(failed), "sets": len(own), "names": _names(failed)}
        remarks.append(Message("import:sets_missing", missing))
    if means.weighted is None:
        remarks.append(Message("import:macro_only"))
    if others := [one.dataset for one in own if one.is_as_published is False]:
        remarks.append(Message("evaluate:other_prompt", {"sets": _names(others)}))
    return Reading(
        Opencompass.tool,
        "",
        model,
        Measurement(
            type="evaluation",
            what=imports.title_of(score.dataset for score in own),
            tool=Opencompass.tool,
            metrics=metrics,
            answers=answers,
            remarks=remarks,
            sets=sets,
        ),
        tuple(summaries),
        companions=tuple(
            path
            for name, path in names.items()
            if any(PurePosixPath(name).match(f"{at}/*/*.json") for at in ("results", "predictions"))
        ),
        part=model if len(run.models) > 1 else "",
        missing=len(failed),
        at=imports.time_of_text(summaries[0]),
    )


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    rest = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" + {rest}" if rest > 0 else "")


def _cause(bundle: Bundle, names: Mapping[str, str]) -> str:
    """Return the last error line of the first log: inference before scoring."""
    logs = [name for name in names if name.endswith(".out") and "/logs/" in name]
    for name in sorted(logs, key=lambda name: ("/infer/" not in name, name)):
        lines = [line.text.strip() for line in lines_of(bundle.files[names[name]])]
        errors = [line for line in lines if _ERROR.match(line)]
        if errors:
            return errors[-1][:_LONGEST_LINE]
    return ""
