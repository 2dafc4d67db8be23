"""Text for stalled jobs. They may resume at any time, so nothing ends them."""

from __future__ import annotations

from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.text.formatting import joined
from jobs.kinds import KINDS
from jobs.models import Job
from jobs.queries.jobs.stalled import stalled_since


def stalled_text(job: Job) -> str:
    """Return how long a job has been stalled, and what to do; "" if not stalled."""
    since = stalled_since(job)
    if since is None:
        return ""
    minutes = int((now() - since).total_seconds() // 60)
    state = ngettext(
        "Stalled: no output for %(minutes)s minute.",
        "Stalled: no output for %(minutes)s minutes.",
        minutes,
    ) % {"minutes": minutes}
    kind = KINDS.get(job.kind)
    if kind and kind.brings:
        todo = _(
            "The job resumes once the remote side responds. Otherwise cancel and retry: "
            "downloaded data is kept."
        )
    else:
        todo = _("Some tools print nothing while working. Check the log and the host's load.")
    return joined(state, todo)
