"""Reports of EvalScope's evaluation, with reviews of a work folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.metrics.measured import Measurement
from jobs.tools.evalscope import eval_parser
from jobs.tools.evalscope.eval_parser import EvalReport, Evaluation
from jobs.tools.evalscope.sets_reading import score_and_size, scores_of
from jobs.tools.importing import dates as imports_dates
from jobs.tools.importing.base import Reader, Reading, Refusal, Refused, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.values import text, title_of
from jobs.tools.outputs.answers import kept
from jobs.tools.outputs.questions_reading import answer

# Metrics of EvalScope that are a share of the questions.
_SHARE = pattern(r"(?:mean_?|average_?)?acc(?:uracy)?|pass@1|exact_match", ignore_case=True)
_VERSION = pattern(rb"^evalscope_version: '?(\d[\w.+-]{0,30})", lines=True)


class EvalscopeEval(Reader):
    """``reports/<model>/<benchmark>.json`` of any generation."""

    tool = "evalscope eval"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a report."""
        keys = ("dataset_name", "metrics", "model_name", "dataset_pretty_name")
        return bundle.has_keys(path, keys, 3)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per model of a work folder; loose reports are one folder."""
        groups: dict[tuple[str, str], list[str]] = {}
        for path in own:
            model = text(bundle.object(path), "model_name")
            groups.setdefault((_root(path), model), []).append(path)
        for (root, model), paths in groups.items():
            yield attempt(paths, _reading, bundle, root, model, paths)


def _root(path: str) -> str:
    """Return the work folder: above ``reports``; "" for a report outside."""
    parts = PurePosixPath(path).parts
    if "reports" not in parts[:-1]:
        return ""
    return str(PurePosixPath(*parts[: parts.index("reports")]))


def _reading(bundle: Bundle, root: str, model: str, paths: Sequence[str]) -> Reading:
    evaluation, companions = _evaluation(bundle, root, paths)
    shares = [
        one for one in evaluation.reports if one.score is not None and _SHARE.fullmatch(one.metric)
    ]
    if not shares:
        args = {"sets": ", ".join(f"{r.benchmark} ({r.metric or '-'})" for r in evaluation.reports)}
        raise Refused(Message("import:no_share", args))
    rows = [row for row in evaluation.scored if row.score is not None]
    sizes = [score_and_size(report, rows) for report in shares]
    questions = sum(size for _score, size in sizes)
    if not questions:
        raise Refused(Message("evaluate:no_question", {"questions": 0}))
    weighted = sum(score * size for score, size in sizes) / questions
    counted = [row for row in rows if row.benchmark in {one.benchmark for one in shares}]
    metrics = {
        "accuracy": weighted,
        "accuracy_weighted": weighted,
        "accuracy_macro": sum(score for score, _size in sizes) / len(sizes),
        "questions": float(questions),
        "correct": float(round(weighted * questions)),
    }
    if len(counted) == questions:
        metrics["unanswered"] = float(sum(not row.answer.strip() for row in counted))
    configs = [path for path in bundle if _VERSION.search(bundle.files[path])]
    version = _VERSION.search(bundle.files[configs[0]]) if configs else None
    return Reading(
        EvalscopeEval.tool,
        version[1].decode() if version else "",
        model,
        Measurement(
            type="evaluation",
            what=title_of((report.benchmark for report in evaluation.reports), " + "),
            tool=f"{EvalscopeEval.tool} {version[1].decode() if version else ''}".strip(),
            metrics=metrics,
            answers=kept(answer(row, f"{row.benchmark}/{row.subset}") for row in evaluation.scored),
            remarks=_remarks(evaluation.reports, shares),
            sets=[score for report in evaluation.reports for score in scores_of(report)],
        ),
        tuple(paths),
        companions=(*companions, *configs[:1]),
        at=_began(bundle, root),
    )


def _began(bundle: Bundle, root: str) -> datetime | None:
    """Return the time in the name of the work folder, else of the first line of its log."""
    logs = [path for path in bundle if root and path.startswith(f"{root}/logs/")]
    found = (
        imports_dates.of_text(root),
        *(imports_dates.of_log(bundle, path) for path in logs[:1]),
    )
    return next((at for at in found if at), None)


def _evaluation(
    bundle: Bundle, root: str, paths: Sequence[str]
) -> tuple[Evaluation, tuple[str, ...]]:
    """Return the reports with their reviews, and the other files that were read."""
    reports = tuple(eval_parser.parse_report(path, bundle.files[path]) for path in paths)
    models = {PurePosixPath(path).parent.name for path in paths}
    others = [
        path
        for path in bundle
        if root
        and PurePosixPath(path).is_relative_to(root)
        and PurePosixPath(path).suffix == ".jsonl"
        and PurePosixPath(path).parent.name in models
        and PurePosixPath(path).parent.parent.name in ("reviews", "predictions")
    ]
    if not any(PurePosixPath(path).parent.parent.name == "reviews" for path in others):
        return Evaluation(reports, ()), ()
    files = {path: bundle.files[path] for path in (*paths, *others)}
    return eval_parser.parse(files), tuple(others)


def _remarks(reports: Sequence[EvalReport], shares: Sequence[EvalReport]) -> list[Message]:
    remarks = []
    errored = sum(report.errored or 0 for report in shares)
    if errored:
        asked = sum(report.requested for report in shares)
        remarks.append(Message("evaluate:unscored", {"unscored": errored, "total": asked}))
    others = [f"{one.benchmark} ({one.metric or '-'})" for one in reports if one not in shares]
    if others:
        remarks.append(Message("import:other_metrics", {"sets": ", ".join(others)}))
    return remarks
