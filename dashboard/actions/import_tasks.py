"""Tasks of confined workers: uploads and drafts of imports, read, shown and stored.

The web process passes bytes and gets typed answers: see :mod:`dashboard.actions.imports`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from dashboard.actions.imports import (
    ANSWER_BYTES,
    By,
    Gone,
    Sent,
    Stored,
    detail_of,
    subject_of,
)
from dashboard.actions.recognised import as_json, preview
from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.text.import_words import Preview
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.imports import Recognised, recognise
from jobs.imports.uploads import pasted, read_uploads, too_large
from jobs.services import import_drafts, import_storage
from jobs.services.collected import Collected, collected, gone
from jobs.services.import_storage import Kept
from jobs.services.imports import About, Origin
from jobs.services.outputs import output_path


def make_draft(by: By, sent: Sent, about: About) -> str:
    """Store files as a draft; return its id.

    Raises:
        LaunchError: at ``files`` or ``job``: nothing can be imported.
    """
    files, origin = _files(sent)
    shown = preview(files, recognise(files))
    if not shown.found:
        raise LaunchError(shown.reasons, "files")
    return import_drafts.save(by.user, files, about, origin)


def show_draft(user: int, draft_id: str) -> Preview:
    """Return what a draft has. Raises ``Gone``."""
    draft = _loaded(user, draft_id)
    return preview(draft.files, recognise(draft.files))


def keep_draft(by: By, draft_id: str) -> Stored:
    """Store the results of a draft and remove it.

    Raises:
        Gone: there is no such draft.
        LaunchError: the results cannot be stored.
    """
    draft = _loaded(by.user, draft_id)
    stored = keep(by, draft.files, recognise(draft.files), draft.about, draft.origin)
    import_drafts.remove(draft)
    new = [one.row.result.pk for one in stored if one.is_new]
    return Stored([one.row.result.pk for one in stored], new)


def import_files(by: By, sent: Sent, about: About, is_dry: bool) -> dict[str, Any]:
    """Return the content of files as JSON; store it unless ``is_dry``.

    Raises:
        LaunchError: nothing can be imported, or stored.
    """
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
    by: By,
    files: Mapping[str, bytes],
    recognised: Recognised,
    about: About,
    origin: Origin | None,
) -> list[Kept]:
    """Store the recognised results, each with its audit entry. ``origin``: None for an upload.

    Raises:
        PermissionDenied: the person may not import.
        LaunchError: a field is wrong, or the disk is full.
    """
    user, stored = User.objects.get(pk=by.user), list[Kept]()
    check(user, "result.import")
    with audit_log.origin(by.origin):
        for reading in recognised.readings:
            (one,) = import_storage.keep(files, [reading], about, user=user, origin=origin)
            if one.is_new:
                detail = {**detail_of(one.row), **_of_host(origin)}
                audit_log.record(user, "result.import", subject_of(one.row), **detail)
            stored.append(one)
    return stored


def _of_host(origin: Origin | None) -> dict[str, str]:
    if origin is None:
        return {}
    return {"host": origin.host, "folder": origin.folder, "job": f"#{origin.job}"}


def _loaded(user: int, draft_id: str) -> import_drafts.Draft:
    draft = import_drafts.load(user, draft_id)
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
    """Return path -> content of the files of a job.

    Raises:
        LaunchError: at ``job`` if the files are gone; at ``files`` as
            :func:`jobs.imports.uploads.read_uploads`.
    """
    output = source.output
    if output.bytes > 2 * limit_bytes:  # by the host's word: packed files are smaller
        raise too_large(limit_bytes)
    try:
        content = output_path(source.job.pk, output.path).read_bytes()
    except OSError as error:
        raise gone(source.job) from error
    return read_uploads([(output.path, content)], limit_bytes=limit_bytes)
