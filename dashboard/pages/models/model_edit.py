"""Models of the team's own: added, changed, deleted and put back in the browser.

What is kept is the file that a person would write: ``DATA_DIR/catalog/models/<id>.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.pages.models import model_form
from dashboard.pages.models.model_form import ModelInvalid
from dashboard.security.audit_log import record
from dashboard.security.permissions import requires
from jobs.catalog import MODELS, SHIPPED, files
from jobs.catalog.library import MOST_BYTES, SUFFIX, Changed, version_of
from jobs.tools.lib import yaml_text

_LONGEST = MOST_BYTES  # characters of a field; with more, no file would be kept
_VERSION = "version"  # field: the version of the file that a form was filled from


@require_http_methods(["GET", "HEAD", "POST"])
@requires("model.change")
def model_add(request: HttpRequest) -> HttpResponse:
    """The form of a new model: empty, or filled from the model that ``?like=`` names."""
    if request.method == "POST":
        return _take(request, model_id="")
    like = MODELS.get(request.GET.get("like", ""))
    data = model_form.EMPTY
    if like is not None and like.package is None:
        data = {**like.model_dump(mode="json", exclude_defaults=True), "id": "", "name": ""}
        data["source"] = {"sort": "hub", **data["source"]}
        data.pop("published", None)
    return _form(request, model_form.typed_of(data), {}, model_id="")


@require_http_methods(["GET", "HEAD", "POST"])
@requires("model.change")
def model_edit(request: HttpRequest, model_id: str) -> HttpResponse:
    """The form of a model that was added; one with weights in a package has its YAML alone."""
    text = _text_of(model_id)
    data = files.load(text)
    if data["source"]["sort"] != "hub":
        return redirect("model-edit-yaml", model_id)
    if request.method == "POST":
        return _take(request, model_id=model_id)
    typed = {**model_form.typed_of(data), _VERSION: version_of(text.encode())}
    return _form(request, typed, {}, model_id=model_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("model.change")
def model_add_yaml(request: HttpRequest) -> HttpResponse:
    """A model as YAML, pasted or uploaded; ``?file=`` opens one that could not be read."""
    asked = request.GET.get("file", "")
    file = next((item.file for item in MODELS.problems if item.file == asked), "")
    text = MODELS.text_of(file) if file else None
    return _yaml(request, text or "", model_id="", file=file)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("model.change")
def model_edit_yaml(request: HttpRequest, model_id: str) -> HttpResponse:
    """The file of a model that was added, to be written over."""
    return _yaml(request, _text_of(model_id), model_id=model_id)


@require_safe
@requires("model.view")
def model_yaml(request: HttpRequest, model_id: str) -> HttpResponse:
    """Return the model's file for download: as stored, or as shipped."""
    if model_id in SHIPPED:
        text = yaml_text.dump(SHIPPED[model_id].model_dump(mode="json", exclude_defaults=True))
    else:
        text = _text_of(model_id)
    return HttpResponse(
        text,
        content_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{model_id}.yaml"'},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires("model.change")
def model_delete(request: HttpRequest, model_id: str) -> HttpResponse:
    """Ask (GET), then delete an added model from the catalogue (POST). It can be restored."""
    if request.method == "POST" and MODELS.is_removed(model_id):
        return redirect("model-deleted", model_id)  # a second click
    _text_of(model_id)
    if request.method != "POST":
        return render(request, "models/delete.html", {"model": MODELS[model_id]})
    MODELS.remove(model_id)
    record(request.user, "model.change", f"model {model_id}", did="delete")
    # Its own address: loading the page again does not delete again, and still offers to undo.
    return redirect("model-deleted", model_id)


@require_GET
@requires("model.change")
def model_deleted(request: HttpRequest, model_id: str) -> HttpResponse:
    """Return the offer to restore a deleted model, while that is possible."""
    if not MODELS.is_removed(model_id):
        raise Http404(f"{model_id} was not deleted here")
    return render(request, "models/deleted.html", {"model_id": model_id})


@require_POST
@requires("model.change")
def model_undo(request: HttpRequest, model_id: str) -> HttpResponse:
    """Put back what the model was before it was last changed or deleted."""
    if model_id in SHIPPED or not MODELS.undo(model_id):
        raise Http404(f"nothing is known of {model_id}")
    record(request.user, "model.change", f"model {model_id}", did="undo")
    if model_id not in MODELS:
        return redirect("model-list")
    messages.success(request, _("%(id)s restored.") % {"id": model_id})
    return redirect("model-detail", model_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("model.change")
def model_discard(request: HttpRequest) -> HttpResponse:
    """Ask (GET), then delete an invalid model file (POST)."""
    if request.method != "POST":
        asked = request.GET.get("file", "")
        if asked not in [problem.file for problem in MODELS.problems]:
            raise Http404(f"no broken file is called {asked}")
        return render(request, "models/discard.html", {"file": asked})
    file = request.POST.get("file", "")
    if not MODELS.discard(file):
        raise Http404(f"no broken file is called {file}")
    record(request.user, "model.change", f"file {file}", did="discard")
    return redirect("model-list")


def _take(request: HttpRequest, *, model_id: str) -> HttpResponse:
    """Fill in from a config.json, show the YAML, or keep it: by the button that was used."""
    sent = request.POST
    typed = {name: sent[name].replace("\r\n", "\n") for name in _names() if name in sent}
    too_long = [name for name, text in typed.items() if len(text) > _LONGEST]
    typed[model_form.CONFIG] = sent.get(model_form.CONFIG, "")
    typed[_VERSION] = sent.get(_VERSION, "")
    if model_id:
        typed["id"] = model_id
    try:
        if too_long:
            problem = _("At most %(max_length)s characters.") % {"max_length": _LONGEST}
            raise ModelInvalid(dict.fromkeys(too_long, problem))
        if "fill" in request.POST:
            return _form(request, model_form.with_config(typed), {}, model_id=model_id)
        typed = typed if model_id else model_form.begun(typed) | {_VERSION: typed[_VERSION]}
        text = model_form.checked(model_form.data_of(typed))
        if "show" in request.POST:
            return _form(request, typed, {}, model_id=model_id, text=text)
        return _keep(request, text, is_new=not model_id)
    except ModelInvalid as error:
        return _form(request, typed, error.errors, model_id=model_id)
    except (ValueError, OSError) as error:
        return _form(request, typed, {"": str(error)}, model_id=model_id)


def _keep(request: HttpRequest, text: str, *, is_new: bool) -> HttpResponse:
    """Write the file.

    Raises:
        ModelInvalid: there is one already, or another version than the one that was opened.
        ValueError, OSError: why it is not.
    """
    name = model_form.id_in(text)
    if is_new and name in MODELS:
        raise ModelInvalid({"id": _("Model %(id)s already exists.") % {"id": name}})
    try:
        model = MODELS.save(text, None if is_new else request.POST.get(_VERSION) or None)
    except Changed as error:
        problem = _("Not saved: the model was changed after you opened it.")
        more = _("Open the model in another tab and copy your changes there.")
        raise ModelInvalid({"": f"{problem} {more}"}) from error
    record(request.user, "model.change", f"model {model.id}", did="add" if is_new else "change")
    messages.success(request, _("%(name)s saved.") % {"name": model.name})
    return redirect("model-detail", model.id)


def _yaml(request: HttpRequest, text: str, *, model_id: str, file: str = "") -> HttpResponse:
    errors: list[str] = []
    version = version_of(text.encode()) if model_id else ""
    if request.method == "POST":
        # The one that was opened, also on the page of a refusal: it would replace another's change.
        version = request.POST.get(_VERSION, "")
        upload = request.FILES.get("file")
        text = request.POST.get("text", "").replace("\r\n", "\n")
        try:
            if upload is not None:
                text = upload.read(MOST_BYTES + 1).decode("utf-8")
            if len(text) > _LONGEST:
                problem = _("At most %(max_length)s characters.")
                raise ValueError(problem % {"max_length": _LONGEST})
            model_form.check_text(text)
            if model_id and model_form.id_in(text) != model_id:
                raise ValueError(_("The ID cannot change: %(id)s.") % {"id": model_id})
            answer = _keep(request, text, is_new=not model_id)
            if file and file != f"{model_form.id_in(text)}{SUFFIX}":
                MODELS.discard(file)
            return answer
        except ModelInvalid as error:
            errors = [f"{at}: {problem}" if at else problem for at, problem in error.errors.items()]
        except (ValueError, OSError) as error:
            errors = [str(error)]
    context = {"model_id": model_id, "text": text, "errors": errors, "file": file}
    context[_VERSION] = version
    return render(request, "models/yaml.html", context, status=422 if errors else 200)


def _form(
    request: HttpRequest,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    model_id: str,
    text: str = "",
) -> HttpResponse:
    config = model_form.text_field(
        model_form.CONFIG,
        "config.json",
        _("Paste the model's config.json. The architecture is filled in from it."),
        typed,
        errors,
    )
    more = model_form.text_field(
        model_form.MORE,
        _("Other fields (YAML)"),
        _("Fields without an input: limits, published figures, rope_scaling, mla, moe …"),
        typed,
        errors,
    )
    context: dict[str, Any] = {
        "model_id": model_id,
        "groups": model_form.fields(typed, errors, fixed_id=bool(model_id)),
        "config": config,
        "more": more,
        "errors": errors,
        "general_error": errors.get("", ""),
        "text": text,
        _VERSION: typed.get(_VERSION, ""),
    }
    return render(request, "models/edit.html", context, status=422 if errors else 200)


def _names() -> list[str]:
    return [spec.name for spec in model_form.SPECS] + [model_form.MORE]


def _text_of(model_id: str) -> str:
    """The file of a model that was added; Http404: there is none."""
    text = MODELS.text_of(f"{model_id}{SUFFIX}") if MODELS.is_added(model_id) else None
    if text is None:
        raise Http404(f"{model_id} was not added here")
    return text


urlpatterns: list[URLPattern] = [
    path("add/", model_add, name="model-add"),
    path("add/yaml/", model_add_yaml, name="model-add-yaml"),
    path("discard/", model_discard, name="model-discard"),
    path("<str:model_id>/edit/", model_edit, name="model-edit"),
    path("<str:model_id>/edit/yaml/", model_edit_yaml, name="model-edit-yaml"),
    path("<str:model_id>/model.yaml", model_yaml, name="model-yaml"),
    path("<str:model_id>/delete/", model_delete, name="model-delete"),
    path("<str:model_id>/deleted/", model_deleted, name="model-deleted"),
    path("<str:model_id>/undo/", model_undo, name="model-undo"),
]
