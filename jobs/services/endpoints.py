"""Endpoints: what is stored of a check, and the archive."""

import re
from dataclasses import asdict
from typing import NamedTuple

from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.metrics.measured import EngineAbout
from jobs.models import Endpoint

MODEL = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9._/:@+-]{0,199}")
OK = "endpoint:ok"


class Checked(NamedTuple):
    """Outcome of a check: its message, and what the engine told; None: no answer."""

    message: Message
    about: EngineAbout | None = None


def note(row: Endpoint, checked: Checked) -> None:
    """Set the outcome of a check. Without an answer, what an earlier check found stays; an empty
    model becomes the only one listed. Raises ``LaunchError``: it is unknown."""
    row.checked_at = now()
    row.check_id, row.check_args = checked.message.id, dict(checked.message.args)
    listed = list(checked.about.models) if checked.about else []
    if checked.about is not None:
        row.found = {**asdict(checked.about), "models": listed}
    if row.model:
        return
    fitting = [name for name in listed if MODEL.fullmatch(name)]
    if not listed:
        raise LaunchError(_("Enter the model's name: the engine did not list its models."), "model")
    if len(listed) > 1 or not fitting:
        text = _("The engine lists several models. Enter one: %(models)s.")
        raise LaunchError(text % {"models": ", ".join(fitting[:20])}, "model")
    row.model = fitting[0]


def keep_check(row: Endpoint, checked: Checked) -> None:
    note(row, checked)
    row.save(update_fields=["found", "check_id", "check_args", "checked_at"])


def archive(endpoint_id: int, *, is_archived: bool) -> bool:
    """Archive an endpoint, or bring it back. False: it is so already."""
    rows = Endpoint.objects.filter(pk=endpoint_id, archived_at__isnull=is_archived)
    return bool(rows.update(archived_at=now() if is_archived else None))
