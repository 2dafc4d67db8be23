"""Audit log in words: labels of actions and details, entries for page, exports and API."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Model
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.security.audit_log import COMMAND
from dashboard.text.formatting import counted, size_text
from dashboard.text.labels import ROLES, check_word, host_word, kind_title, limit_words
from jobs.access.sources import TYPES
from jobs.base.numbers import number_from, result_pk
from jobs.catalog import MODELS
from jobs.models import AuditEntry, Deployment, Host, Job, Matrix, Result
from jobs.queries.audit import plain

# Action -> label; "action:case" for a case of it, which the detail ``did`` or ``pinned`` names.
ACTION_LABELS: Mapping[str, str | Promise] = {
    "access.refused": _("Refused: no permission"),
    "access.refused:host": _("Refused: unknown host key"),
    "access.refused:token": _("Refused: unknown API token"),
    "account.login": _("Logged in"),
    "account.password": _("Own password changed"),
    "account.refused": _("Login failed"),
    "account.refused:delayed": _("Login refused after too many tries"),
    "conversation.delete": _("Chat deleted"),
    "conversation.share": _("Chat shared"),
    "conversation.share:revoke": _("Share of a chat revoked"),
    "conversation.view": _("Chat of another person read"),
    "data.export": _("Downloaded"),
    "deployment.restart": _("Deployment restarted"),
    "deployment.stop": _("Deployment stopped"),
    "endpoint.change": _("Endpoint changed"),
    "endpoint.change:add": _("Endpoint added"),
    "endpoint.change:archive": _("Endpoint archived"),
    "endpoint.change:restore": _("Endpoint restored"),
    "endpoint.check": _("Endpoint checked"),
    "host.add": _("Host added"),
    "host.check": _("Host checked for a launch"),
    "host.change": _("Host settings changed"),
    "host.launchers": _("Launch rights of a host changed"),
    "host.launchers:open": _("Host opened to all members"),
    "host.launchers:restrict": _("Host restricted to some people"),
    "host.key": _("Host key changed"),
    "host.key:new": _("New host key created"),
    "host.key:revoke": _("Host key revoked"),
    "host.mark_lost": _("Host marked as lost"),
    "job.cancel": _("Job cancelled"),
    "job.confirm": _("Job warnings confirmed"),
    "job.launch": _("Job launched"),
    "job.order": _("Job moved in the queue"),
    "job.pin": _("Job files kept"),
    "job.pin:off": _("Job files no longer kept"),
    "job.repeat": _("Job retried"),
    "level.add": _("Service level added"),
    "level.change": _("Service level changed"),
    "level.change:delete": _("Service level removed"),
    "level.change:undo": _("Service level restored"),
    "level.hide": _("Included service level changed"),
    "level.hide:hide": _("Included service level hidden"),
    "level.hide:show": _("Included service level shown"),
    "matrix.rename": _("Matrix renamed"),
    "model.change": _("Model changed"),
    "model.change:add": _("Model added"),
    "model.change:delete": _("Model deleted"),
    "model.change:discard": _("Model file discarded"),
    "model.change:undo": _("Model restored"),
    "preset.add": _("Preset added"),
    "preset.change": _("Preset changed"),
    "preset.change:delete": _("Preset removed"),
    "preset.change:undo": _("Preset restored"),
    "prompts.add": _("Prompt set added"),
    "prompts.change": _("Prompt set changed"),
    "prompts.change:delete": _("Prompt set removed"),
    "prompts.change:undo": _("Prompt set restored"),
    "questions.change": _("Question set changed"),
    "questions.check": _("Data set looked for on a host"),
    "questions.change:add": _("Question set added"),
    "questions.change:delete": _("Question set removed"),
    "questions.change:undo": _("Question set restored"),
    "result.baseline": _("Baseline changed"),
    "result.baseline:remove": _("Baseline removed"),
    "result.baseline:set": _("Baseline set"),
    "result.change_note": _("Note changed"),
    "result.change_note:delete": _("Note removed"),
    "result.change_note:edit": _("Note edited"),
    "result.change_view": _("Saved view changed"),
    "result.change_view:delete": _("Saved view removed"),
    "result.declare": _("Import declared"),
    "result.import": _("Results imported"),
    "result.note": _("Note added"),
    "result.remove": _("Import removed"),
    "result.report": _("Words of a report kept"),
    "result.save_view": _("View saved"),
    "result.sign_off": _("Result signed off"),
    "result.tag": _("Results tagged"),
    "result.untag": _("Tag removed"),
    "result.withdraw": _("Sign-off withdrawn"),
    "secret.hand_over": _("Secrets sent to a host"),
    "secret.manage": _("Secret changed"),
    "secret.manage:delete": _("Secret deleted"),
    "secret.manage:replace": _("Secret replaced"),
    "secret.manage:rotate": _("Key of secrets rotated"),
    "secret.manage:set": _("Secret added"),
    "source.manage": _("Sources changed"),
    "source.manage:add": _("Source added"),
    "source.manage:delete": _("Source removed"),
    "storage.manage": _("Job files removed"),
    "token.create": _("API token created"),
    "token.change": _("API token changed"),
    "token.delete": _("API token revoked"),
    "user.manage": _("Account changed"),
    "user.manage:add": _("Account added"),
    "user.manage:admin": _("Account made admin"),
    "user.manage:member": _("Account made member"),
    "user.manage:off": _("Account deactivated"),
    "user.manage:on": _("Account reactivated"),
    "user.manage:viewer": _("Account made viewer"),
    "user.manage:password": _("Password reset"),
}
# Details whose label is their name (manage.py translations collects them).
DETAILS = (
    *("accepted", "address", "before", "checks", "confirmed", "days", "deployment", "device"),
    *("devices", "endpoints"),
    *("engine", "exclusive", "file", "folder", "host", "hosts", "job", "jobs", "kind", "matrix"),
    *("model", "name", "note", "of", "people", "pipeline", "precision", "priority", "prompts"),
    *("purpose", "results", "role", "run", "scope", "secrets", "shared", "tags", "text", "title"),
    *("tool", "version", "workload"),
)
DETAIL_LABELS: Mapping[str, str | Promise] = {
    **{name: _(name) for name in DETAILS},
    "by": _("via"),
    "bytes": _("size"),
    "count": _("times in an hour"),
    "ep": _("expert parallel size"),
    "pp": _("pipeline parallel size"),
    "tp": _("tensor parallel size"),
    "draining": _("pause new jobs"),
    "forgot_dies": _("missing dies no longer listed"),
    "forgot_refusals": _("refused messages no longer listed"),
    "is_staff": _("admin"),
    "lost": _("lost jobs and deployments"),
    "now": _("new place"),
    "query": _("filters"),
    "repeats": _("retry of"),
    "resumes": _("continues"),
    "set": _("data set"),
    "sha256": _("checksum"),
    "source_type": _("type"),
    "slots": _("max concurrent jobs"),
    "tokens": _("revoked API tokens"),
    "was": _("old place"),
}
CSV_HEAD = ("at", "person", "action", "label", "subject", "detail", "origin")


class EntrySubject(NamedTuple):
    """Subject of an entry. ``href``: its page, "" without one."""

    text: str
    href: str = ""


class EntryRow(NamedTuple):
    """One entry in words. ``details``: (label, value), without what the subject shows."""

    entry: AuditEntry
    label: str
    subject: EntrySubject
    details: Sequence[tuple[str, str]]
    origin: str


def rows(entries: Sequence[AuditEntry]) -> list[EntryRow]:
    """Return entries in words, with links to what still exists. One query for each kind of it."""
    named: dict[str, set[str]] = {}
    for entry in entries:
        kind, _space, name = entry.subject.partition(" ")
        named.setdefault(kind, set()).add(name)
    found = {kind: _existing(kind, names) for kind, names in named.items()}
    shown = []
    for entry in entries:
        text, page, *args = _subject(entry, found)
        details = [pair for pair in detail_pairs(entry.detail) if pair[1] != text]
        subject = EntrySubject(text, reverse(page, args=args) if page else "")
        origin = entry.origin or gettext("unknown")
        if entry.origin == COMMAND:
            origin = gettext("manage.py on the server")
        shown.append(
            EntryRow(entry, action_label(entry.action, entry.detail), subject, details, origin)
        )
    return shown


def _existing(kind: str, names: Collection[str]) -> dict[str, str]:
    if kind == "model":
        return {name: MODELS[name].name for name in names if name in MODELS}
    if kind == "host":
        hosts = Host.objects.filter(name__in=names).values_list("name", flat=True)
        return {name: host_word(name) for name in hosts}
    records: Mapping[str, type[Model]] = {
        **{"job": Job, "matrix": Matrix, "deployment": Deployment, "result": Result},
        "user": User,
    }
    if kind not in records:
        return {}
    model = records[kind]
    number = result_pk if kind == "result" else number_from
    numbers = {pk: name for name in names if (pk := number(name)) is not None}
    known = model._default_manager.filter(pk__in=numbers)
    field = "username" if kind == "user" else "pk"
    return {numbers[pk]: str(shown) for pk, shown in known.values_list("pk", field)}


def _subject(entry: AuditEntry, found: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return text, name of the page or "", and the page's argument; unknown kinds as stored."""
    kind, _space, name = entry.subject.partition(" ")
    is_number, shown = number_from(name) is not None, found[kind].get(name, "")
    detail = entry.detail if isinstance(entry.detail, dict) else {}
    given = str(detail.get("name") or name)
    page = f"{kind}-detail" if shown else ""
    match kind:
        case "job" if is_number:
            return gettext("Job #%(n)s") % {"n": name}, page, name
        case "matrix" if is_number:
            return gettext("Matrix %(n)s") % {"n": name}, page, name
        case "deployment" if is_number:
            return gettext("Deployment #%(n)s") % {"n": name}, page, name
        case "report":
            return gettext("Report %(name)s") % {"name": name}, ""
        case "user" if is_number:
            return shown or gettext("Account #%(n)s") % {"n": name}, "people"
        case "user":
            return gettext("Unknown name"), ""
        case "result" if result_pk(name) is not None:
            return gettext("Result %(name)s") % {"name": name}, page, str(result_pk(name))
        case "host":
            return host_word(name), page, name
        case "model":
            return shown or name, page, name
        case "endpoint" if is_number:
            return given, "endpoint-detail", name
        case "prompts" if is_number:
            return given, "prompt-detail", name
        case "secret":
            return name, "secret-list"
        case "source":
            return str(detail.get("address") or name), "source-list"
        case "token":
            is_named = bool(detail.get("name"))
            return given if is_named else gettext("API token #%(n)s") % {"n": name}, "token-list"
        case "view":
            return name, "result-list"
        case "conversation":
            return gettext("Chat #%(n)s") % {"n": name}, ""
    return entry.subject, ""


def as_dict(entry: AuditEntry) -> dict[str, Any]:
    return {**plain(entry), "label": action_label(entry.action, entry.detail)}


def csv_line(entry: AuditEntry) -> list[str]:
    details = (f"{label}: {value}" for label, value in detail_pairs(entry.detail))
    data = as_dict(entry) | {"detail": ", ".join(details)}
    return [data[name] or "" for name in CSV_HEAD]


def action_label(action: str, detail: Any = None) -> str:
    """Return the label of an action; its name if unknown, such as of a later version."""
    case = ""
    if isinstance(detail, dict):
        case = "off" if detail.get("pinned") is False else str(detail.get("did", ""))
    return str(ACTION_LABELS.get(f"{action}:{case}") or ACTION_LABELS.get(action) or action)


def detail_pairs(detail: Any) -> list[tuple[str, str]]:
    """Return label and value of each detail that neither the action's label nor the origin says."""
    if not isinstance(detail, dict):
        return []
    return [
        (str(DETAIL_LABELS.get(name, name)), _value(name, value))
        for name, value in detail.items()
        if name not in ("did", "pinned")
        and value not in ("", [], None)
        and not (name == "by" and value in ("page", "terminal"))
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, int | float):
        if name == "bytes":
            return size_text(value)
        return f"#{value}" if name in ("repeats", "resumes") else counted(value)
    if isinstance(value, list):
        return ", ".join(_value(name, one) for one in value)
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    match name:
        case "by" if value == "tour":
            return gettext("tour")
        case "role" | "before":
            return str(ROLES.get(value, value))
        case "kind":
            return kind_title(value)
        case "source_type":
            return str(TYPES.get(value, value))
        case "host" | "hosts":
            return host_word(value)
        case "accepted":
            return limit_words([value])
        case "checks" | "confirmed":
            return check_word(value)
    return value
