"""Work folders and summary tables of OpenCompass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.metrics.measured import Measurement, SetScore, TableScore
from jobs.tools.importing import dates as imports_dates
from jobs.tools.importing.base import Reader, Reading, Refusal, Refused, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.values import title_of
from jobs.tools.opencompass import parser as opencompass
from jobs.tools.opencompass import tables_parser
from jobs.tools.opencompass.parser import Run
from jobs.tools.opencompass.sets_reading import answers_of, scores_of, unanswered_of
from jobs.tools.opencompass.tables_parser import HEAD, Means
from jobs.tools.outputs.lines import lines_of

_CSV, _MARKDOWN = (
    ",".join(HEAD).encode(),
    pattern(rb"\|\s*" + rb"\s*\|\s*".join(name.encode() for name in HEAD)),
)
_TEXT = b"tabulate format\n"
_ERROR = pattern(r"[\w.]*(?:Error|Exception)\b")
_SUMMARY = pattern(r"summary_(\d{8}_\d{6})\.(?:csv|md|txt)")
_LONGEST_LINE = 300
_MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class _Files:
    """Files of one run. ``logs``: name -> content, for the cause of a failure."""

    summaries: tuple[str, ...]
    others: tuple[str, ...] = ()
    logs: Mapping[str, bytes] = field(default_factory=dict)


class Opencompass(Reader):
    """``<YYYYmmdd_HHMMSS>/{summary,results,predictions}``, or a table alone."""

    tool = "OpenCompass"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a text with the head of a summary."""
        content = bundle.files[path]
        is_csv = content.lstrip().startswith(_CSV)
        return is_csv or _TEXT in content or _MARKDOWN.search(content) is not None

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per run and model. Tables outside of a run count only without one."""
        roots = _roots(own)
        for root, paths in roots.items():
            yield from _run(bundle, root, paths)
        loose = [path for path in own if not roots]
        # The same table as CSV, Markdown or text: the first one by its format.
        for path in loose if len(loose) == 1 else _best(bundle, loose):
            yield from _table(bundle, path)


def _roots(own: Sequence[str]) -> dict[str, list[str]]:
    """Return the folders of runs with their summaries, oldest path first."""
    roots: dict[str, list[str]] = {}
    for path in own:
        pure = PurePosixPath(path)
        if pure.parent.name == "summary" and _SUMMARY.fullmatch(pure.name):
            roots.setdefault(str(pure.parent.parent), []).append(path)
    return roots


def _best(bundle: Bundle, paths: Sequence[str]) -> list[str]:
    """Return one file per table: tables with equal scores are copies."""
    seen: dict[frozenset[tuple[str, str, str]], str] = {}
    for path in paths:
        scores = attempt([path], _scores, bundle, path)
        key = (
            frozenset({(path, "", "")})
            if isinstance(scores, Refusal)
            else frozenset((one.model, one.dataset, one.text) for one in scores)
        )
        seen.setdefault(key, path)
    return list(seen.values())


def _run(bundle: Bundle, root: str, summaries: Sequence[str]) -> Iterable[Reading | Refusal]:
    match = _SUMMARY.fullmatch(PurePosixPath(max(summaries)).name)
    stamp = match[1] if match else ""
    # Names as the parser knows them, also for an archive without the folder's own name.
    names = {
        f"{stamp}/{PurePosixPath(path).relative_to(root)}": path
        for path in bundle
        if PurePosixPath(path).is_relative_to(root)
    }
    read = {name: bundle.files[path] for name, path in names.items()}
    run = attempt(summaries, opencompass.parse, read)
    if isinstance(run, Refusal):
        yield run
        return
    others = tuple(
        path
        for name, path in names.items()
        if path.endswith(".json")
        and PurePosixPath(name).parent.parent.name in ("results", "predictions")
    )
    files = _Files(tuple(summaries), others, _logs(bundle, names))
    for model in run.models:
        yield attempt(summaries, _of_model, run, model, files)


def _table(bundle: Bundle, path: str) -> Iterable[Reading | Refusal]:
    scores = attempt([path], _scores, bundle, path)
    if isinstance(scores, Refusal):
        yield scores
        return
    run = Run("", scores)
    for model in run.models:
        yield attempt([path], _of_model, run, model, _Files((path,)))


def _scores(bundle: Bundle, path: str) -> tuple[TableScore, ...]:
    content = bundle.files[path]
    if content.lstrip().startswith(_CSV):
        return tables_parser.parse_csv(path, content)
    if _TEXT in content:
        return tables_parser.parse_text(path, content)
    return tables_parser.parse_markdown(path, content)


def _of_model(run: Run, model: str, files: _Files) -> Reading:
    own = [score for score in run.scores if score.model == model]
    failed = [score.dataset for score in own if score.value is None]
    sets, means = _sets(run, model)
    if len(failed) == len(own):
        args = {"sets": _names(failed), "line": _cause(files.logs)}
        raise Refused(Message("import:no_score" if args["line"] else "import:no_scores", args))
    if means is None:
        args = {"sets": _names(f"{one.dataset} ({one.metric})" for one in own)}
        raise Refused(Message("import:no_share", args))
    metrics = dict(means.metrics)
    if means.weighted is not None and means.questions:
        metrics["correct"] = float(round(means.weighted * means.questions))
    answers = answers_of(run, model)
    remarks = []
    if answers:
        metrics["unanswered"] = float(unanswered_of(run, model))
    if failed:
        counted = {"missing": len(failed), "sets": len(own), "names": _names(failed)}
        remarks.append(Message("import:sets_missing", counted))
    if means.weighted is None:
        remarks.append(Message("import:macro_only"))
    others_asked = [one.dataset for one in own if one.is_as_published is False]
    if others_asked:
        remarks.append(Message("evaluate:other_prompt", {"sets": _names(others_asked)}))
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
            remarks=remarks,
            sets=sets,
        ),
        files.summaries,
        companions=files.others,
        part=model if len(run.models) > 1 else "",
        missing=len(failed),
        at=imports_dates.of_text(files.summaries[0]),
    )


def _sets(run: Run, model: str) -> tuple[list[SetScore], Means | None]:
    """Return the sets and their means. Only answers in the files tell the number of questions:
    the run may have asked a part of a set.
    """
    sets = [
        replace(score, questions=run.asked(model, score.dataset) or None)
        for score in scores_of(run, model)
    ]
    means = run.means(model)
    unknown = any(one.value is not None and one.questions is None for one in sets)
    if means is not None and unknown:
        means = replace(means, weighted=None, questions=None)
    return sets, means


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    rest = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" + {rest}" if rest > 0 else "")


def _logs(bundle: Bundle, names: Mapping[str, str]) -> dict[str, bytes]:
    return {
        name: bundle.files[path]
        for name, path in names.items()
        if name.endswith(".out") and "/logs/" in name
    }


def _cause(logs: Mapping[str, bytes]) -> str:
    """Return the last error line of the first log: inference before scoring."""
    for name in sorted(logs, key=lambda name: ("/infer/" not in name, name)):
        lines = [line.text.strip() for line in lines_of(logs[name])]
        errors = [line for line in lines if _ERROR.match(line)]
        if errors:
            return errors[-1][:_LONGEST_LINE]
    return ""
