"""Labels of the audit log: actions, details and their values. A test finds all that is recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.security.audit_log import COMMAND
from dashboard.text.formatting import counted, size
from dashboard.text.labels import ROLES, check_word, host_word, kind_title
from jobs.access.sources import TYPES

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
    "model.change": _("Model changed"),
    "model.change:add": _("Model added"),
    "model.change:delete": _("Model deleted"),
    "model.change:discard": _("Model file discarded"),
    "model.change:undo": _("Model restored"),
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
DETAIL_LABELS: Mapping[str, str | Promise] = {
    "address": _("address"),
    "before": _("before"),
    "by": _("via"),
    "bytes": _("size"),
    "checks": _("checks"),
    "confirmed": _("confirmed"),
    "count": _("times in an hour"),
    "deployment": _("deployment"),
    "device": _("device"),
    "devices": _("devices"),
    "engine": _("engine"),
    "ep": _("expert parallel size"),
    "pp": _("pipeline parallel size"),
    "precision": _("precision"),
    "tp": _("tensor parallel size"),
    "workload": _("workload"),
    "draining": _("pause new jobs"),
    "endpoints": _("endpoints"),
    "exclusive": _("exclusive"),
    "file": _("file"),
    "folder": _("folder"),
    "forgot_dies": _("missing dies no longer listed"),
    "forgot_refusals": _("refused messages no longer listed"),
    "host": _("host"),
    "hosts": _("hosts"),
    "is_staff": _("admin"),
    "job": _("job"),
    "jobs": _("jobs"),
    "kind": _("kind"),
    "lost": _("lost jobs and deployments"),
    "matrix": _("matrix"),
    "model": _("model"),
    "name": _("name"),
    "note": _("note"),
    "now": _("new place"),
    "of": _("of"),
    "people": _("people"),
    "pipeline": _("pipeline"),
    "priority": _("priority"),
    "prompts": _("prompts"),
    "purpose": _("purpose"),
    "query": _("filters"),
    "repeats": _("retry of"),
    "results": _("results"),
    "resumes": _("continues"),
    "role": _("role"),
    "run": _("run"),
    "scope": _("scope"),
    "set": _("data set"),
    "secrets": _("secrets"),
    "sha256": _("checksum"),
    "shared": _("shared"),
    "source_type": _("type"),
    "slots": _("max concurrent jobs"),
    "tags": _("tags"),
    "text": _("text"),
    "tool": _("tool"),
    "tokens": _("revoked API tokens"),
    "version": _("version"),
    "was": _("old place"),
}
# Details that the label of the action has said, and ways that the origin says.
_SAID = ("did", "pinned")
_WAYS_OF_ORIGINS = ("page", "terminal")


def action_label(action: str, detail: Any = None) -> str:
    """Return the label of an action; its name if unknown, such as of a later version."""
    case = _case(detail)
    label = ACTION_LABELS.get(f"{action}:{case}") or ACTION_LABELS.get(action)
    return str(label) if label else action


def _case(detail: Any) -> str:
    if not isinstance(detail, dict):
        return ""
    if detail.get("pinned") is False:
        return "off"
    return str(detail.get("did", ""))


def detail_pairs(detail: Any) -> list[tuple[str, str]]:
    """Return (label, value) of each detail that the action's label does not say."""
    if not isinstance(detail, dict):
        return []
    return [
        (str(DETAIL_LABELS.get(name, name)), _value(name, value))
        for name, value in detail.items()
        if name not in _SAID
        and value not in ("", [], None)
        and not (name == "by" and value in _WAYS_OF_ORIGINS)
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, int | float):
        if name == "bytes":
            return " ".join(size(value))
        return f"#{value}" if name in ("repeats", "resumes") else counted(value)
    if isinstance(value, list):
        return ", ".join(_value(name, one) for one in value)
    if isinstance(value, str):
        return _text(name, value)
    return json.dumps(value, ensure_ascii=False)


def _text(name: str, value: str) -> str:
    if name == "by" and value == "tour":
        return gettext("tour")
    if name == "role" or (name == "before" and value in ROLES):
        return str(ROLES.get(value, value))
    if name == "kind":
        return kind_title(value)
    if name == "source_type":
        return str(TYPES.get(value, value))
    if name in ("host", "hosts"):
        return host_word(value)
    return check_word(value) if name in ("checks", "confirmed") else value


def origin_label(origin: str) -> str:
    """Return where an entry came from: an address, a command on the server, or unknown."""
    if origin == COMMAND:
        return gettext("manage.py on the server")
    return origin or gettext("unknown")
