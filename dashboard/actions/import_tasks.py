"""Tasks of confined workers: uploads and drafts of imports, read, shown and stored.

The web process passes bytes and gets typed answers: see :mod:`dashboard.actions.imports`.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, User
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, action
from dashboard.actions.imports import ANSWER_BYTES, By, Gone, Sent, Stored, detail_of, subject_of
from dashboard.security import audit_log
from dashboard.text.import_words import (
    Found,
    ImportedFigure,
    ImportPreview,
    NotTaken,
    declared_text,
)
from dashboard.text.labels import metric_label, metric_text
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.imports import Recognised, pasted, read_uploads, recognise, too_large
from jobs.metrics import METRICS
from jobs.services import import_storage, imports
from jobs.services.import_storage import Kept
from jobs.services.imports import About, Collected, Origin, collected, files_gone
from jobs.services.outcomes import shortfall
from jobs.services.outcomes.stored_results import stored_numbers
from jobs.services.outputs import output_path
from jobs.tools.imports import Reading


def make_draft(by: By, sent: Sent, about: About) -> str:
    """Store files as a draft; return its id. Raises ``LaunchError``: nothing can be imported."""
    files, origin = _files(sent)
    shown = preview(files, recognise(files))
    if not shown.found:
        raise LaunchError(shown.reasons, "files")
    return imports.save_draft(by.user, files, about, origin)


def show_draft(by: By, draft_id: str) -> ImportPreview:
    """Return what a draft has. Raises ``Gone``: there is no such draft of this person."""
    draft = _loaded(by, draft_id)
    return preview(draft.files, recognise(draft.files))


def keep_draft(by: By, draft_id: str) -> Stored:
    """Store the results of a draft and remove it. Raises ``Gone``, ``LaunchError``."""
    draft = _loaded(by, draft_id)
    stored = keep(by, draft.files, recognise(draft.files), draft.about, draft.origin)
    imports.remove_draft(draft)
    new = [one.row.result.pk for one in stored if one.is_new]
    return Stored([one.row.result.pk for one in stored], new)


def import_files(by: By, sent: Sent, about: About, is_dry: bool) -> dict[str, Any]:
    """Return the content of files as JSON; store it unless ``is_dry``. Raises ``LaunchError``."""
    files, origin = _files(sent)
    recognised = recognise(files)
    answer = as_json(files, recognised)
    if is_dry:
        return answer
    if not answer["results"]:
        raise LaunchError(" ".join(one["reason"] for one in answer["refused"]), "files")
    if len(json.dumps(answer)) > ANSWER_BYTES:
        text = _("The files hold more than %(most)s MB of answers. Import them on the page.")
        raise LaunchError(text % {"most": ANSWER_BYTES // 1_000_000}, "files")
    stored = keep(by, files, recognised, about, origin)
    for result, one in zip(answer["results"], stored, strict=True):
        result["result"] = result_number(one.row.result.pk)
    return answer


def keep(
    by: By, files: Mapping[str, bytes], recognised: Recognised, about: About, origin: Origin | None
) -> list[Kept]:
    """Store results with audit entries. ``origin`` None: an upload. Raises ``LaunchError``."""
    user = User.objects.get(pk=by.user)
    with audit_log.origin(by.origin):
        return [_keep(user, files, one, about, origin) for one in recognised.readings]


@action("result.import")
def _keep(
    user: AbstractBaseUser,
    files: Mapping[str, bytes],
    reading: Reading,
    about: About,
    origin: Origin | None,
) -> Done[Kept]:
    (kept,) = import_storage.keep(files, [reading], about, user=user, origin=origin)
    if not kept.is_new:
        return Done(kept)
    detail = detail_of(kept.row)
    if origin is not None:
        detail |= {"host": origin.host, "folder": origin.folder, "job": f"#{origin.job}"}
    return Done(kept, subject_of(kept.row), **detail)


def _loaded(by: By, draft_id: str) -> imports.ImportDraft:
    draft = imports.load_draft(by.user, draft_id)
    if draft is None:
        raise Gone(draft_id)
    return draft


def _files(sent: Sent) -> tuple[Mapping[str, bytes], Origin | None]:
    limit = settings.IMPORT_LIMIT_BYTES
    if sent.job is not None:
        source = collected(sent.job)
        return collected_files(source, limit), source.origin
    if sent.text:
        return pasted(sent.text), None
    return read_uploads(sent.files, limit_bytes=limit), None


def collected_files(source: Collected, limit_bytes: int) -> Mapping[str, bytes]:
    """Return path → content of a job's files. Raises ``LaunchError``: gone, too large."""
    output = source.output
    if output.bytes > 2 * limit_bytes:  # by the host's word: packed files are smaller
        raise too_large(limit_bytes)
    try:
        content = output_path(source.job.pk, output.path).read_bytes()
    except OSError as error:
        raise files_gone(source.job) from error
    return read_uploads([(output.path, content)], limit_bytes=limit_bytes)


def preview(files: Mapping[str, bytes], recognised: Recognised) -> ImportPreview:
    """Return what is in ``files``, with the imports that exist already."""
    refused = [
        NotTaken(one.files, message(one.reason.id, one.reason.args)) for one in recognised.refusals
    ]
    found = [_found(files, reading) for reading in recognised.readings]
    return ImportPreview(found, refused, recognised.unused)


def _found(files: Mapping[str, bytes], reading: Reading) -> Found:
    measured = reading.measured
    missed, total = shortfall.of_measured(measured)
    if measured.type == "evaluation":
        scored = measured.metrics.get("questions")
        completed = None if scored is None else int(scored)
    else:
        completed = total - missed or None
    earlier = import_storage.earlier(files, reading)
    return Found(
        reading.tool,
        reading.version,
        measured.type,
        reading.model,
        measured.what,
        reading.sources,
        reading.files,
        [concurrency for concurrency, _metrics in measured.points],
        len(measured.answers),
        measured.sets,
        [
            ImportedFigure(name, metric_label(name), *metric_text(name, measured.metrics[name]))
            for name in METRICS
            if name in measured.metrics
        ],
        completed,
        missed,
        [message(remark.id, remark.args) for remark in measured.remarks],
        earlier.result.pk if earlier else None,
        declared_text(earlier) if earlier else "",
        import_storage.moment(reading.at),
    )


_OF_A_SET = ("dataset", "metric", "value", "questions")
_OF_A_QUESTION = ("subset", "question_id", "question", "expected", "answer", "extracted")


def as_json(files: Mapping[str, bytes], recognised: Recognised) -> dict[str, Any]:
    """Return the content as JSON, with exact values: metrics, points, sets and questions."""
    shown = preview(files, recognised)
    pairs = zip(recognised.readings, shown.found, strict=True)
    return {
        "results": [_result(reading, found) for reading, found in pairs],
        "refused": [{"files": list(one.files), "reason": one.reason} for one in shown.refused],
        "unused": list(shown.unused),
    }


def _result(reading: Reading, found: Found) -> dict[str, Any]:
    measured = reading.measured
    return {
        "tool": reading.tool,
        "version": reading.version or None,
        "type": measured.type,
        "model": reading.model,
        "workload": measured.what,
        "measured_at": found.at.isoformat() if found.at else None,
        "files": list(reading.files),
        "completed": found.completed,
        "failed": found.failed,
        "metrics": _metrics(measured.metrics),
        "points": [
            {"concurrency": concurrency, "metrics": _metrics(metrics)}
            for concurrency, metrics in measured.points
        ],
        "sets": [{name: getattr(one, name) for name in _OF_A_SET} for one in measured.sets],
        "questions": [
            {name: row[name] for name in _OF_A_QUESTION}
            | {"score": None if row["status"] else row["score"]}
            for row in measured.answers
        ],
        "remarks": list(found.remarks),
        "result": result_number(found.earlier) if found.earlier else None,
    }


def _metrics(metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return name, value and unit; a share is from 0 to 1, as in exports."""
    return [
        {"name": name, "value": value, "unit": unit if unit != "%" else "share"}
        for name, value in stored_numbers(metrics).items()
        for unit in (METRICS[name].unit,)
    ]


def as_text(shown: ImportPreview) -> str:
    lines: list[str] = []
    for one in shown.found:
        version = one.version or "version not in the files"
        lines += [f"{', '.join(one.sources)}: {one.tool}, {version}"]
        lines += [f"  model: {one.model or 'not in the files'}"]
        lines += [f"  workload: {one.what}"]
        measured = f"{localtime(one.at):%Y-%m-%d %H:%M:%S %z}" if one.at else "not in the files"
        lines += [f"  measured: {measured}"]
        unit = "questions" if one.type == "evaluation" else "requests"
        known = "unknown" if one.completed is None else str(one.completed)
        lines += [f"  {unit}: {known} completed, {one.failed} failed"]
        lines += [f"  {each.name}: {each.value} {each.unit}".rstrip() for each in one.figures]
        if len(one.concurrencies) > 1:
            at = ", ".join(map(str, one.concurrencies))
            lines += [f"  concurrencies: {at}"]
        for score in one.sets:
            value = "no score" if score.value is None else f"{score.value:.2f}"
            lines += [f"  set {score.dataset}: {value} ({score.metric})"]
        if one.answers:
            lines += [f"  questions with answers: {one.answers}"]
        lines += [f"  note: {remark}" for remark in one.remarks]
        if one.earlier:
            lines += [f"  already imported: {result_number(one.earlier)}"]
            lines += [f"  declared: {one.declared}"] if one.declared else []
    lines += [f"{', '.join(one.files)}: refused. {one.reason}" for one in shown.refused]
    if shown.unused:
        lines += [f"not used: {', '.join(shown.unused)}"]
    return "\n".join(lines)
