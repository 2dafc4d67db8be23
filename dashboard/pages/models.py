"""Models: the catalogue, one model with its memory per die, and the team's own models as YAML.

What is kept of a team's model is the file that a person would write:
``DATA_DIR/catalog/models/<id>.yaml``. Hub id and ``config.json`` fill most of a new one in.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from pydantic import ValidationError

from dashboard.actions import models as actions
from dashboard.pages.shared.export import attachment
from dashboard.pages.shared.groups import rows_of
from dashboard.pages.shared.places import form_of
from dashboard.pages.shared.words import published_tables
from dashboard.security.permissions import allowed, requires
from dashboard.text.formatting import number
from dashboard.text.labels import state_of
from jobs.base.validation_errors import message_of
from jobs.catalog import MODELS, SHIPPED, ZooModel, files, schema
from jobs.catalog.library import MOST_BYTES, SUFFIX, ModelChanged, version_of
from jobs.catalog.limits import Fit, fits
from jobs.launch.pipelines import pipelines_of
from jobs.models import Artifact, Deployment, Job, Weights
from jobs.queries.catalogue import (
    ModelPage,
    ModelRow,
    ModelStep,
    OnHost,
    model_page,
    model_rows,
    published_comparisons,
)
from jobs.queries.results.repeats import best_concurrencies
from jobs.queries.results.results import accuracy
from jobs.tools.lib import site

FIT_TOKENS = 32768  # in the KV cache
_EMPTY_PATH = dict.fromkeys(("precisions", "tp", "default_tp", "source"))
_LINES = gettext_lazy("Enter lines of “name: value”.")
_NO_PATH = gettext_lazy("Enter precisions and dies for Build_In or vLLM.")
# Messages of pydantic's and the schema's own types of errors; others have general ones. With a
# place, those of an error there.
_MESSAGES: Mapping[str | tuple[str, str], str | Promise] = {
    "extra_forbidden": gettext_lazy("Unknown field."),
    "string_type": gettext_lazy("Enter text."),
    "tuple_type": gettext_lazy("Enter a list."),
    "model_type": _LINES,
    "dict_type": _LINES,
    "shards_unindexed": gettext_lazy("Enter index_file for several shards."),
    "tp_out_of_range": gettext_lazy("Each tp must be from 1 to 4096 dies."),
    "default_tp_unlisted": gettext_lazy("default_tp must be one of tp."),
    "shape_misplaced": gettext_lazy("Set a shape for Build_In only; Build_In requires one."),
    "modification_unknown": gettext_lazy(
        "The VACC patch supports only Build_In of %(architecture)s."
    ),
    "active_above_all": gettext_lazy("active_parameters must not exceed parameters."),
    "heads_uneven": gettext_lazy("num_attention_heads must be a multiple of num_key_value_heads."),
    ("paths", "missing"): _NO_PATH,
    ("paths", "too_short"): _NO_PATH,
    ("id", "string_pattern_mismatch"): gettext_lazy(
        "Use small letters, digits, single dots and hyphens."
    ),
    ("hub_id", "string_pattern_mismatch"): gettext_lazy(
        "Enter owner/name: letters, digits, dots, dashes and underscores."
    ),
}


@requires("model.view", "GET")
def model_list(request: HttpRequest) -> HttpResponse:
    rows = model_rows()
    served = sum(
        any(state_of(one) == Deployment.State.READY for one in row.deployments) for row in rows
    )
    context = {
        "rows": rows,
        "served": served,
        "measured": sum(bool(row.speed or row.answers) for row in rows),
        "problems": MODELS.problems,
        "may_change": allowed(request.user, "model.change"),
    }
    return render(request, "models/list.html", context)


@requires("model.view", "GET")
def model_detail(request: HttpRequest, model_id: str) -> HttpResponse:
    try:
        page = model_page(model_id)
    except KeyError as error:
        raise Http404(f"the catalogue has no {model_id}") from error
    model, step = page.row.model, page.row.next_step()
    measured, others = published_tables(published_comparisons(model))
    found = _fits(model)
    speed, answers = page.row.speed, page.row.answers
    (jobs,) = rows_of(request, page.jobs)
    context = {
        "page": page,
        "jobs": jobs,
        "model": model,
        "hosts": [(place, _assets(place, model)) for place in page.row.hosts],
        "title": _title(page.row, step),
        "rungs": _rungs(page, step),
        "step": step,
        "step_address": step and form_of(step.kind, step.filled),
        "at": speed and best_concurrencies([speed]).get(speed.pk),
        "share": answers and accuracy(answers),
        "pipelines": pipelines_of(model),
        "fits": found,
        "fit_least": min(
            (fit for fit, *_gb in found if fit.fits), key=lambda fit: fit.tp, default=None
        ),
        "fit_tokens": FIT_TOKENS,
        "is_added": MODELS.is_added(model_id),
        "may_change": allowed(request.user, "model.change"),
        "measured": measured,
        "others": others,
    }
    return render(request, "models/detail.html", context)


class _Asset(NamedTuple):
    """Weights or an artifact on a host, and the form that uses it."""

    item: Weights | Artifact
    what: str
    label: str
    step: str
    address: str


def _assets(place: OnHost, model: ZooModel) -> list[_Asset]:
    verbs = {"deploy": _("Deploy"), "compile": _("Compile")}
    found: list[tuple[Weights | Artifact, str, str]]
    found = [(one, _("weights"), one.precision) for one in place.weights]
    found += [(one, _("artifact"), one.label) for one in place.artifacts]
    steps = [place.step_of(one, model) for one, *_words in found]
    return [
        _Asset(*words, verbs[step.verb], form_of(step.kind, step.filled))
        for words, step in zip(found, steps, strict=True)
    ]


def _title(row: ModelRow, step: ModelStep | None) -> str:
    """Return what is next for the model."""
    if step is None:
        is_measured = row.speed and row.answers
        return _("Served and measured") if is_measured else _("The server is starting")
    return {
        "prepare": _("Next: prepare the weights"),
        "compile": _("Next: compile"),
        "deploy": _("Next: deploy"),
        "benchmark": _("Next: measure the speed"),
        "evaluate": _("Next: measure the accuracy"),
    }[step.verb]


class _RungView(NamedTuple):
    """A rung of the ladder; ``job``: the first open one that works on it."""

    name: str
    title: str
    state: str
    is_next: bool
    job: Job | None


def _rungs(page: ModelPage, step: ModelStep | None) -> list[_RungView]:
    row = page.row
    open_jobs = {_RUNG_OF.get(job.kind.partition("-")[0]): job for job in page.jobs[1]}
    following = step and _RUNG_OF[step.verb]
    there = {
        "weights": bool(row.weights),
        "compiled": bool(row.artifacts),
        "served": any(state_of(one) == Deployment.State.READY for one in row.deployments),
        "measured": bool(row.speed and row.answers),
    }
    titles = (_("Weights"), _("Compiled"), _("Served"), pgettext("model", "Measured"))
    found = []
    for (name, is_there), title in zip(there.items(), titles, strict=True):
        job: Job | None = open_jobs.get(name)
        state = "succeeded" if is_there else "running" if job else "queued"
        if name == "served" and row.deployments and not is_there:
            state = "loading"
        if name == "compiled" and not row.is_compiled and not is_there:
            state = "skipped"
        found.append(_RungView(name, title, state, name == following, job))
    return found


_RUNG_OF = {
    **{"prepare": "weights", "convert": "weights", "compile": "compiled", "deploy": "served"},
    **{"benchmark": "measured", "evaluate": "measured"},
}


def memory_fits(model: ZooModel) -> list[Fit]:
    """Return the memory of one die for every precision of a deployment path at each tp there;
    nothing for a model of a package, which uses no dies."""
    found: dict[tuple[str, int], Fit] = {}
    for way in model.paths.values() if model.package is None else ():
        offered = [tp for tp in (1, 2, 4, 8, 16, 32) if tp in way.tp]
        for fit in fits(model, tokens=FIT_TOKENS, tps=offered, precisions=list(way.precisions)):
            found.setdefault((fit.precision, fit.tp), fit)
    return [*found.values()]


def _fits(model: ZooModel) -> list[tuple[Fit, str, str, str]]:
    """Return each of :func:`memory_fits` with GB of one die: weights, KV cache, free."""

    def gb(count: int) -> str:
        return number(count / 1e9, 1)

    return [
        (fit, gb(fit.weights_bytes), gb(fit.kv_bytes), gb(fit.free_bytes))
        for fit in memory_fits(model)
    ]


class Invalid(ValueError):
    """A text that is no model of the catalogue; its ``args`` are the errors."""


@requires("model.change", "GET", "HEAD", "POST")
def model_add(request: HttpRequest) -> HttpResponse:
    """Ask for hub id and config.json (GET), then show the YAML that follows from them (POST).
    ``?like=`` shows the YAML of that model, without its names."""
    like = MODELS.get(request.GET.get("like", ""))
    if request.method != "POST" and like is not None and like.package is None:
        return _editor(request, draft_like(like))
    typed = {name: request.POST.get(name, "") for name in ("hub_id", "config")}
    errors: dict[str, str] = {}
    if request.method == "POST":
        upload = request.FILES.get("file")
        if upload is not None:
            content = upload.read(schema.CONFIG_CHARACTERS + 1)
            typed["config"] = content.decode(errors="replace")
        text = draft(typed["hub_id"].strip(), typed["config"], errors)
        if not errors:
            return _editor(request, text, errors=errors_in(text))
    context = {"typed": typed, "errors": errors}
    return render(request, "models/add.html", context, status=422 if errors else 200)


def draft_like(model: ZooModel) -> str:
    """Return the YAML of a new model with the values of another, without its names."""
    data = model.model_dump(mode="json", exclude_defaults=True, exclude={"published"})
    source = {"sort": "hub", **data["source"]}
    return site.yaml_text({**data, "source": source, "id": None, "name": None})


def draft(hub_id: str, config: str, errors: dict[str, str]) -> str:
    """Return the YAML of a new model; unknown values are empty. Fills ``errors`` by field."""
    facts: dict[str, Any] = {}
    if not hub_id:
        errors["hub_id"] = _("Enter owner/name as on the hub. ID and name are filled in from it.")
    if not config.strip():
        errors["config"] = _("Paste config.json first. Most fields are filled in from it.")
    else:
        try:
            read = schema.read_config(config)
            facts = {"architecture": schema.architecture_of(read), **schema.facts_of(read)}
        except ValueError as error:
            errors["config"] = str(error)
    name = hub_id.rpartition("/")[2]
    asked = ("family", "summary", "parameters", "dtype", "licence", "context_tokens", "languages")
    data = {
        "id": re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-."),
        "name": name,
        "hub_id": hub_id,
        **dict.fromkeys(asked),
        "reasoning": False,
        "architecture": {},
        "source": {"sort": "hub", "bytes": None, "shards": 1, "precision": facts.get("dtype")},
        "sampling": {"temperature": 0.6, "top_p": 0.95, "max_tokens": 32768},
        "prompting": {"system_prompt": True},
        "paths": {
            "build_in": {**_EMPTY_PATH, "shape": {"max_input": None, "max_length": None}},
            "vllm": _EMPTY_PATH,
        },
    }
    return site.yaml_text(data | facts)


@requires("model.change", "GET", "HEAD", "POST")
def model_add_yaml(request: HttpRequest) -> HttpResponse:
    """A model as YAML, pasted or uploaded; ``?file=`` opens one that could not be read."""
    asked = request.GET.get("file", "")
    file = asked if asked in [problem.file for problem in MODELS.problems] else ""
    return _edit(request, (file and MODELS.text_of(file)) or "", file=file)


@requires("model.change", "GET", "HEAD", "POST")
def model_edit(request: HttpRequest, model_id: str) -> HttpResponse:
    return _edit(request, text_of(model_id), model_id=model_id)


@requires("model.view", "GET", "HEAD")
def model_yaml(request: HttpRequest, model_id: str) -> HttpResponseBase:
    return yaml_file(model_id)


def yaml_file(model_id: str) -> HttpResponseBase:
    """Return the YAML of a model as a download. Raises ``Http404``."""
    if model_id in SHIPPED:
        text = site.yaml_text(SHIPPED[model_id].model_dump(mode="json", exclude_defaults=True))
    else:
        text = text_of(model_id)
    return attachment(text, f"{model_id}.yaml", "application/yaml")


@requires("model.change", "GET", "HEAD", "POST")
def model_delete(request: HttpRequest, model_id: str) -> HttpResponse:
    """Ask (GET), then delete an added model from the catalogue (POST). It can be restored."""
    if request.method == "POST" and MODELS.is_removed(model_id):
        return redirect("model-deleted", model_id)  # a second click
    text_of(model_id)
    if request.method != "POST":
        return render(request, "models/delete.html", {"model": MODELS[model_id]})
    actions.delete(request.user, model_id)
    # Its own address: loading the page again does not delete again, and still offers to undo.
    return redirect("model-deleted", model_id)


@requires("model.change", "GET")
def model_deleted(request: HttpRequest, model_id: str) -> HttpResponse:
    if not MODELS.is_removed(model_id):
        raise Http404(f"{model_id} was not deleted here")
    return render(request, "models/deleted.html", {"model_id": model_id})


@requires("model.change", "POST")
def model_undo(request: HttpRequest, model_id: str) -> HttpResponse:
    """Put back what the model was before it was last changed or deleted."""
    if model_id in SHIPPED or not actions.undo(request.user, model_id):
        raise Http404(f"nothing is known of {model_id}")
    if model_id not in MODELS:
        return redirect("model-list")
    messages.success(request, _("%(id)s restored.") % {"id": model_id})
    return redirect("model-detail", model_id)


@requires("model.change", "GET", "HEAD", "POST")
def model_discard(request: HttpRequest) -> HttpResponse:
    """Ask (GET), then delete a file that is no model (POST)."""
    is_post = request.method == "POST"
    file = (request.POST if is_post else request.GET).get("file", "")
    is_broken = file in [problem.file for problem in MODELS.problems]
    if not (actions.discard(request.user, file) if is_post else is_broken):
        raise Http404(f"no broken file is called {file}")
    if not is_post:
        return render(request, "models/discard.html", {"file": file})
    return redirect("model-list")


def _edit(request: HttpRequest, text: str, *, model_id: str = "", file: str = "") -> HttpResponse:
    version = version_of(text.encode()) if model_id else ""
    if request.method != "POST":
        return _editor(request, text, model_id=model_id, file=file, version=version)
    # The one that was opened, also on the page of a refusal: it would replace another's change.
    version = request.POST.get("version", "")
    upload, text = request.FILES.get("file"), request.POST.get("text", "").replace("\r\n", "\n")
    try:
        if upload is not None:
            text = upload.read(MOST_BYTES + 1).decode("utf-8")
        return _keep(request, text, version, model_id=model_id, file=file)
    except Invalid as error:
        errors = list(error.args)
    except (ValueError, OSError) as error:
        errors = [str(error)]
    own = {"model_id": model_id, "file": file, "version": version}
    return _editor(request, text, errors=errors, status=422, **own)


def _keep(
    request: HttpRequest, text: str, version: str, *, model_id: str, file: str
) -> HttpResponse:
    """Write the file. Raises as :func:`keep`, but for ``ModelChanged``."""
    try:
        model = keep(request.user, text, version or None, model_id=model_id)
    except ModelChanged as error:
        more = _("Open the model in another tab and copy your changes there.")
        raise Invalid(f"{changed_text()} {more}") from error
    messages.success(request, _("%(name)s saved.") % {"name": model.name})
    if file and file != f"{model.id}{SUFFIX}":
        MODELS.discard(file)
    return redirect("model-detail", model.id)


def keep(user: Any, text: str, opened: str | None, *, model_id: str = "") -> ZooModel:
    """Write the YAML of a new model, or of ``model_id`` onto the ``opened`` version; None: any.
    Raises ``ModelChanged``; ``ValueError``, ``OSError``: why it is not written; ``Invalid``, a
    ``ValueError``, with more than one reason."""
    if len(text) > MOST_BYTES:
        raise Invalid(_("At most %(max_length)s characters.") % {"max_length": MOST_BYTES})
    if errors := errors_in(text):
        raise Invalid(*errors)
    name = str(files.load(text)["id"])
    if model_id and name != model_id:
        raise Invalid(_("The ID cannot change: %(id)s.") % {"id": model_id})
    if not model_id and name in MODELS:
        raise Invalid(_("Model %(id)s already exists.") % {"id": name})
    return actions.save(user, text, opened if model_id else None, is_new=not model_id)


def changed_text() -> str:
    return _("Not saved: the model was changed after you opened it.")


def _editor(
    request: HttpRequest, text: str, *, errors: Sequence[str] = (), status: int = 200, **own: str
) -> HttpResponse:
    """Return the form of a text; ``own``: model_id, file and version."""
    context = {"text": text, "errors": errors, **own}
    return render(request, "models/yaml.html", context, status=status)


def errors_in(text: str) -> list[str]:
    """Return what is wrong with a model's YAML, each error with its line and place."""
    try:
        ZooModel.model_validate(files.load(text))
    except files.NotYaml as error:
        message = _("Invalid YAML: %(reason)s")
        if error.line:
            message = _("Invalid YAML, line %(line)s: %(reason)s")
        return [message % {"reason": error.reason, "line": error.line}]
    except ValidationError as error:
        root = _root(text)
        found: dict[str, tuple[int, str]] = {}
        for fault in error.errors():
            place = _place(fault)
            name, line, kind = ".".join(place), _line(root, place), fault["type"]
            known = _MESSAGES.get((name, kind)) or _MESSAGES.get(kind)
            text = str(known) % fault.get("ctx", {}) if known else message_of(fault)
            if name:
                args = {"line": line, "place": name, "error": text}
                text = _("Line %(line)s, %(place)s: %(error)s") % args
            found.setdefault(name, (line, text))
        return [text for _line, text in sorted(found.values(), key=lambda item: item[0])]
    return []


def _root(text: str) -> Any:
    """Return the nodes of a YAML text, by the parser that read it: others take fewer texts. None:
    nested too deeply."""
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError):
        return None


def _place(fault: Any) -> list[str]:
    """Return the place of an error in the file, without union branches."""
    place = [str(part) for part in fault["loc"]]
    if place[:1] == ["source"] and place[1:2] in (["hub"], ["package"]):
        del place[1]
    if place and place[-1].startswith(("constrained-", "literal[", "[key]")):
        del place[-1]
    return place


def _line(node: Any, place: Sequence[str]) -> int:
    """Return the line of a place, from 1; where it is missing, that of what should have it."""
    line = 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            known = {key.value: (key, value) for key, value in node.value}
        elif isinstance(node, yaml.SequenceNode):
            known = {str(index): (item, item) for index, item in enumerate(node.value)}
        else:
            break
        if part not in known:
            break
        at, node = known[part]
        line = at.start_mark.line + 1
    return line


def text_of(model_id: str) -> str:
    """Return the file of a model that was added. Raises ``Http404``."""
    text = MODELS.text_of(f"{model_id}{SUFFIX}") if MODELS.is_added(model_id) else None
    if text is None:
        raise Http404(f"{model_id} was not added here")
    return text


urlpatterns: list[URLPattern] = [
    path("", model_list, name="model-list"),
    path("add/", model_add, name="model-add"),
    path("add/yaml/", model_add_yaml, name="model-add-yaml"),
    path("discard/", model_discard, name="model-discard"),
    path("<str:model_id>/", model_detail, name="model-detail"),
    path("<str:model_id>/edit/", model_edit, name="model-edit"),
    path("<str:model_id>/edit/yaml/", model_edit, name="model-edit-yaml"),
    path("<str:model_id>/model.yaml", model_yaml, name="model-yaml"),
    path("<str:model_id>/delete/", model_delete, name="model-delete"),
    path("<str:model_id>/deleted/", model_deleted, name="model-deleted"),
    path("<str:model_id>/undo/", model_undo, name="model-undo"),
]
