"""Messages about removed, soon removed and kept logs and files."""

from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.security.permissions import allowed
from dashboard.text.formatting import day_text, duration, joined, size_text
from jobs.models import Deployment, Job
from jobs.models.jobs import Retained
from jobs.queries.storage import PendingRemoval, limits, pending_removal_of
from jobs.services.upkeep import retention


def span_text(seconds: float) -> str:
    """Return a retention as text: "90 days", or "1 d 12 h" if it is no whole number of days."""
    days, rest = divmod(seconds, 86400)
    if days and not rest:
        return ngettext("%(n)s day", "%(n)s days", int(days)) % {"n": int(days)}
    return duration(seconds)


def removed_words(record: Job | Deployment) -> str:
    """Return what was removed, when, why, and what stays; "" if nothing was removed."""
    if record.removed_at is None:
        return ""
    files = record.outputs.count() if isinstance(record, Job) else 0
    things, kept = _("The log (%(size)s)"), _("History and results stay.")
    if files:
        things = ngettext(
            "The log (%(size)s) and %(n)s file", "The log (%(size)s) and %(n)s files", files
        )
    if isinstance(record, Job):
        kept = _("Command, steps and results stay.")
    args = record.removed_args
    given = {
        "what": things % {"size": size_text(record.log_bytes), "n": files},
        "date": day_text(record.removed_at),
        "time": span_text(args.get("retention_age_s", 0)),
        "limit": size_text(args.get("retention_size_bytes", 0)),
        "user": args.get("user", "?"),
    }
    if record.removed_why == Retained.Why.AGE:
        why = ngettext(
            "%(what)s was removed on %(date)s because its age exceeded %(time)s (RETENTION_AGE).",
            "%(what)s were removed on %(date)s because their age exceeded %(time)s "
            "(RETENTION_AGE).",
            1 + files,
        )
    elif record.removed_why == Retained.Why.SIZE:
        why = ngettext(
            "%(what)s was removed on %(date)s because storage exceeded %(limit)s (RETENTION_SIZE).",
            "%(what)s were removed on %(date)s because storage exceeded %(limit)s "
            "(RETENTION_SIZE).",
            1 + files,
        )
    else:
        why = ngettext(
            "%(what)s was removed on %(date)s by %(user)s.",
            "%(what)s were removed on %(date)s by %(user)s.",
            1 + files,
        )
    return joined(why % given, kept)


def pinned_words(job: Job) -> str:
    """Return the message of a job whose files are kept; "" for others."""
    if job.pinned_at is None:
        return ""
    if job.pinned_by is None:
        return _("Log and files are kept. Only an administrator can stop this.")
    text = _("Log and files are kept by %(user)s. Only %(user)s or an administrator can stop this.")
    return text % {"user": job.pinned_by.get_username()}


def may_pin(user: AbstractBaseUser | AnonymousUser, job: Job) -> bool:
    if job.removed_at is not None:
        return False
    if job.pinned_at is None:
        return allowed(user, "job.pin", job)
    return allowed(user, "job.unpin", retention.Pin(job.pk, job.pinned_by_id))


def removal_words(job: Job) -> str:
    """Return the message if log and files go within a week, with the reason; "" if they stay."""
    soon, given = pending_removal_of(job), limits()
    if soon is None:
        return ""
    values = {"size": size_text(job.stored_bytes or 0), "when": when_text(soon)}
    if soon.why == Retained.Why.AGE and given.retention_age is not None:
        values["time"] = span_text(given.retention_age.total_seconds())
        text = _(
            "Log and files (%(size)s) will be removed %(when)s: retention %(time)s (RETENTION_AGE)."
        )
    else:
        values["limit"] = size_text(given.retention_size_bytes or 0)
        text = _(
            "Log and files (%(size)s) may be removed %(when)s: storage limit %(limit)s "
            "(RETENTION_SIZE)."
        )
    return text % values


def when_text(removal: PendingRemoval) -> str:
    if removal.at is None:
        return _("within a week")
    if removal.at <= timezone.now() + timedelta(minutes=5):
        return _("within minutes")
    return _("on %(date)s") % {"date": day_text(removal.at)}
