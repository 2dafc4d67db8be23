"""Messages of jobs whose person may no longer launch (jobs.schedule.launch_rights)."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

RIGHT_MESSAGES: dict[str, str | Promise] = {
    "job:launch_right_host": _(
        "%(person)s may no longer launch on %(host)s. Allow it on the host's page, then retry."
    ),
    "job:launch_right_role": _(
        "%(person)s may no longer launch jobs. Change the role under People, then retry."
    ),
    "job:launch_right_nobody": _(
        "%(host)s is not open to everyone, and no person launched this job. Launch the job again."
    ),
}
