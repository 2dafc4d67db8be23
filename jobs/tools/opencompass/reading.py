"""Evaluations with public data sets by OpenCompass: jobs, imported work folders and tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.kinds.evaluate.evaluate_opencompass import Params, group_of
from jobs.kinds.lib.evaluations import accuracy_message, limited_remark, sets_of
from jobs.kinds.lib.vacc import stack_of
from jobs.metrics.measured import Measurement, Outcome, SetScore, TableScore
from jobs.tools.imports import (
    Bundle,
    Reader,
    Reading,
    Refusal,
    Refused,
    attempt,
    time_of_text,
    title_of,
)
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.opencompass import parser
from jobs.tools.opencompass.commands import CEVAL
from jobs.tools.opencompass.parser import HEAD, Run
from jobs.tools.outputs.answers import kept
from jobs.tools.outputs.files import Ended, lines_of

_CSV = ",".join(HEAD).encode()
_MARKDOWN = pattern(rb"\|\s*" + rb"\s*\|\s*".join(name.encode() for name in HEAD))
_TEXT = b"tabulate format\n"
_ERROR = pattern(r"[\w.]*(?:Error|Exception)\b")
_SUMMARY = pattern(r"summary_(\d{8}_\d{6})\.(?:csv|md|txt)")
_LONGEST_LINE = 300
_MOST_NAMES = 10


def outcome(ended: Ended) -> Outcome:
    """Accuracy of each set and both means. OpenCompass exits with 0 when every task failed."""
    run, params = parser.parse(ended.nested), ended.params
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


def _lacking(params: Params, run: Run) -> list[str]:
    families = [opencompass.FAMILIES[one] for one in params.datasets]
    expected = [one for each in families for one in each.sets]
    if params.mmlu == "ten":
        mmlu = [one for one in expected if one.startswith(opencompass.MMLU)]
        expected = [one for one in expected if one not in mmlu[opencompass.TEN :]]
    known = {score.dataset for score in run.scores}
    if CEVAL in expected:  # any of them will do: a failed one has a separate row
        expected.remove(CEVAL)
        if not any(one.startswith(CEVAL) for one in known):
            expected.append(f"{CEVAL}*")
    failed = [score.dataset for score in run.failed]
    return list(dict.fromkeys([*failed, *run.missing(expected)]))


def _answers(run: Run, model: str) -> list[dict[str, Any]]:
    return kept(
        replace(
            row,
            score=None if judged.correct is None else float(judged.correct),
            extracted=judged.extracted,
        )
        for of, row, judged in run.judged()
        if of == model
    )


def _unanswered(run: Run, model: str) -> float:
    rows = (row for (of, _set), own in run.predictions.items() for row in own if of == model)
    return float(sum(not row.answer.strip() for row in rows))


def _sets(run: Run, model: str) -> list[SetScore]:
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

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | Refusal]:
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
        seen: dict[object, tuple[str, Run | Refusal]] = {}
        for path in own:
            run = attempt([path], _table, path, bundle.files[path])
            key: object = path
            if isinstance(run, Run):
                key = frozenset((one.model, one.dataset, one.text) for one in run.scores)
            seen.setdefault(key, (path, run))
        return [one for path, run in seen.values() for one in _of_models(run, [path])]


def _table(path: str, content: bytes) -> Run:
    if content.lstrip().startswith(_CSV):
        return Run("", parser.parse_csv(path, content))
    if _TEXT in content:
        return Run("", parser.parse_text(path, content))
    return Run("", parser.parse_markdown(path, content))


def _of_run(bundle: Bundle, root: str, summaries: Sequence[str]) -> list[Reading | Refusal]:
    match = _SUMMARY.fullmatch(PurePosixPath(max(summaries)).name)
    stamp = match[1] if match else ""
    # Names as the parser knows them, also for an archive without the folder's own name.
    names = {
        f"{stamp}/{PurePosixPath(path).relative_to(root)}": path
        for path in bundle.files
        if PurePosixPath(path).is_relative_to(root)
    }
    files = {name: bundle.files[path] for name, path in names.items()}
    run = attempt(summaries, parser.parse, files)
    others = [
        path
        for name, path in names.items()
        if path.endswith(".json")
        and PurePosixPath(name).parent.parent.name in ("results", "predictions")
    ]
    return _of_models(run, summaries, others, files)


def _of_models(
    run: Run | Refusal,
    summaries: Sequence[str],
    others: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
) -> list[Reading | Refusal]:
    if isinstance(run, Refusal):
        return [run]
    return [
        attempt(summaries, _of_model, run, model, tuple(summaries), tuple(others), files or {})
        for model in run.models
    ]


def _of_model(
    run: Run,
    model: str,
    summaries: tuple[str, ...],
    others: tuple[str, ...],
    files: Mapping[str, bytes],
) -> Reading:
    own = [score for score in run.scores if score.model == model]
    failed = [score.dataset for score in own if score.value is None]
    if len(failed) == len(own):
        args = {"sets": _names(failed), "line": _cause(files)}
        raise Refused(Message("import:no_score" if args["line"] else "import:no_scores", args))
    # Only answers in the files tell the number of questions: the run may have asked a part.
    sets = [
        replace(score, questions=run.asked(model, score.dataset) or None)
        for score in _sets(run, model)
    ]
    means = run.means(model)
    if means is None:
        args = {"sets": _names(f"{one.dataset} ({one.metric})" for one in own)}
        raise Refused(Message("import:no_share", args))
    if any(one.value is not None and one.questions is None for one in sets):
        means = replace(means, weighted=None, questions=None)
    answers, metrics = _answers(run, model), means.metrics
    if answers:
        metrics["unanswered"] = _unanswered(run, model)
    return Reading(
        Opencompass.tool,
        "",
        model,
        Measurement(
            type="evaluation",
            what=title_of(score.dataset for score in own),
            tool=Opencompass.tool,
            metrics=metrics,
            answers=answers,
            remarks=_remarks(own, failed, has_weights=means.weighted is not None),
            sets=sets,
        ),
        summaries,
        companions=others,
        part=model if len(run.models) > 1 else "",
        missing=len(failed),
        at=time_of_text(summaries[0]),
    )


def _remarks(
    own: Sequence[TableScore], failed: Sequence[str], *, has_weights: bool
) -> list[Message]:
    remarks = []
    if failed:
        args = {"missing": len(failed), "sets": len(own), "names": _names(failed)}
        remarks.append(Message("import:sets_missing", args))
    if not has_weights:
        remarks.append(Message("import:macro_only"))
    others = [one.dataset for one in own if one.is_as_published is False]
    if others:
        remarks.append(Message("evaluate:other_prompt", {"sets": _names(others)}))
    return remarks


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    rest = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" + {rest}" if rest > 0 else "")


def _cause(files: Mapping[str, bytes]) -> str:
    """Return the last error line of the first log: inference before scoring."""
    logs = [name for name in files if name.endswith(".out") and "/logs/" in name]
    for name in sorted(logs, key=lambda name: ("/infer/" not in name, name)):
        lines = [line.text.strip() for line in lines_of(files[name])]
        errors = [line for line in lines if _ERROR.match(line)]
        if errors:
            return errors[-1][:_LONGEST_LINE]
    return ""
