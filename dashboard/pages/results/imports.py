"""Pages of imports: upload, paste or folder of a host; preview, original files, removal."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import imports as actions
from dashboard.security.permissions import check, requires
from dashboard.security.request import member
from dashboard.server.downloads import send_file
from dashboard.text.formatting import size_text
from dashboard.text.import_words import declared_fields
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from, result_number
from jobs.models import Import, ImportedFile
from jobs.services import imports
from jobs.services.imports import Collected, collected

_MOST_NAMED = 8


@requires("result.import", "GET", "POST")
def import_upload(request: HttpRequest) -> HttpResponse:
    """Form of an import; a POST stores the files as a draft and shows its preview. ``job``: a job
    that collected the files on a host."""
    given = request.GET if request.method == "GET" else request.POST
    source = None
    try:
        source = collected(number_from(given["job"])) if given.get("job") else None
        if request.method == "GET":
            return _form(request, {}, source)
        about = imports.about_of(given.dict())
        draft = actions.make_draft(member(request.user), _sent(request, source), about)
    except LaunchError as error:
        is_pasted = bool(request.POST.get("pasted", "").strip()) and not request.FILES
        field = "pasted" if error.field == "files" and is_pasted else error.field
        return _form(request, {field: str(error)}, source)
    return redirect("import-preview", draft)


@requires("result.import", "GET", "POST")
def import_preview(request: HttpRequest, draft_id: str) -> HttpResponse:
    """Show what a draft has (GET); store it (POST)."""
    user = member(request.user)
    draft = imports.load_draft(user.pk, draft_id, with_files=False)
    try:
        if draft is None:
            raise actions.Gone(draft_id)
        if request.method == "GET":
            context = {
                "draft": draft,
                "preview": actions.show_draft(user, draft_id),
            }
            return render(request, "imports/preview.html", context)
        if request.POST.get("do") == "discard":
            imports.remove_draft(draft)
            return redirect("import-upload")
        stored = actions.keep_draft(user, draft_id)
    except actions.Gone:
        messages.info(request, _("These files are no longer here. Choose them again."))
        return redirect("import-upload")
    except LaunchError as error:
        messages.error(request, str(error))
        is_shown = request.method == "POST"
        return redirect("import-preview", draft_id) if is_shown else redirect("import-upload")
    if n := len(stored.new):
        # The list is in the order of measurement: an import may stand far below.
        text = ngettext(
            "%(n)s result imported: %(names)s.", "%(n)s results imported: %(names)s.", n
        )
        names = [result_number(pk) for pk in stored.new[:_MOST_NAMED]]
        more = ["…"] if n > len(names) else []
        messages.success(request, text % {"n": n, "names": _(", ").join(names + more)})
    else:
        messages.info(request, _("Nothing changed: these files were imported before."))
    if len(stored.results) == 1:
        return redirect("result-detail", stored.results[0])
    return redirect(f"{reverse('result-list')}?stamp=imported")


@requires("result.view", "GET", "HEAD")
def import_file(request: HttpRequest, import_result_id: int, index: int) -> HttpResponseBase:
    file = get_object_or_404(ImportedFile, imported__result=import_result_id, index=index)
    return send_file(
        request,
        imports.file_path(file),
        filename=file.path.rpartition("/")[2],
        content_type="application/octet-stream",
        sha256=file.sha256,
    )


@requires("result.declare", "GET", "POST")
def import_declare(request: HttpRequest, import_result_id: int) -> HttpResponse:
    """Form of what is declared of an import (GET); store it (POST)."""
    row = _import(import_result_id)
    given = {name: str(value or "") for name, value in asdict(imports.about_row(row)).items()}
    errors: dict[str, str] = {}
    if request.method == "POST":
        given = request.POST.dict()
        try:
            if actions.declare(request.user, row, imports.about_of(given)):
                messages.success(request, _("Declared."))
            return redirect("result-detail", row.result.pk)
        except LaunchError as error:
            errors = {error.field or "device": str(error)}
    context = {"import": row, "result": row.result, "fields": declared_fields(given, errors)}
    return render(request, "imports/declare.html", context, status=422 if errors else 200)


@requires("result.remove", "GET", "POST")
def import_remove(request: HttpRequest, import_result_id: int) -> HttpResponse:
    """Ask (GET), then remove an import with its result (POST)."""
    row = _import(import_result_id)
    check(request.user, "result.remove", row)
    if request.method == "POST":
        name = result_name(row.result)
        try:
            actions.remove(request.user, row)
        except imports.Released as refused:
            messages.error(request, message(refused.id))
            return redirect("result-detail", row.result.pk)
        messages.success(request, _("%(name)s removed.") % {"name": name})
        return redirect("result-list")
    refusal = message(imports.Released.id) if imports.is_released(row) else ""
    context = {"import": row, "result": row.result, "refusal": refusal}
    return render(request, "imports/remove.html", context)


def _import(result_id: int) -> Import:
    return get_object_or_404(
        Import.objects.select_related("result", "created_by"), result=result_id
    )


def _sent(request: HttpRequest, source: Collected | None) -> actions.Sent:
    """Return uploaded, pasted or collected files. Raises ``LaunchError`` at ``files``: none, or
    both of two."""
    if source is not None:
        return actions.Sent(job=source.job.pk)
    uploads = [(one.name or "file", one) for one in request.FILES.getlist("files")]
    text = request.POST.get("pasted", "").strip()
    if uploads and text:
        raise LaunchError(_("Choose files or paste text, not both."), "files")
    if not (uploads or text):
        raise LaunchError(_("Choose a file, or paste a table or JSON."), "files")
    limit = settings.IMPORT_LIMIT_BYTES
    return actions.Sent([(name, one.read(limit + 1)) for name, one in uploads], text)


def _form(request: HttpRequest, errors: dict[str, str], source: Collected | None) -> HttpResponse:
    given = request.GET if request.method == "GET" else request.POST
    context: dict[str, Any] = {
        "fields": declared_fields(given.dict(), errors),
        "source": source,
        "pasted": request.POST.get("pasted", ""),
        "errors": errors,
        "limit": size_text(settings.IMPORT_LIMIT_BYTES),
    }
    return render(request, "imports/upload.html", context, status=422 if errors else 200)


urlpatterns: list[URLPattern] = [
    path("import/", import_upload, name="import-upload"),
    path("import/<str:draft_id>/", import_preview, name="import-preview"),
    path("<result:import_result_id>/files/<int:index>/", import_file, name="import-file"),
    path("<result:import_result_id>/declare/", import_declare, name="import-declare"),
    path("<result:import_result_id>/remove/", import_remove, name="import-remove"),
]
