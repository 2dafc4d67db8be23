"""Messages of jobs and deployments that did not get their secret (jobs.access.secrets.rules)."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SECRET_MESSAGES: dict[str, str | Promise] = {
    "job:secret_gone": _("Secret %(name)s does not exist. Add it under Secrets, then retry."),
    "job:secret_incomplete": _(
        "Secret %(name)s has no purpose or no endpoints yet. Complete it under Secrets, then retry."
    ),
    "job:secret_purpose": _(
        "Secret %(name)s is for another purpose. Choose another secret, then launch again."
    ),
    "job:secret_host": _(
        "Secret %(name)s may not be used on %(host)s. Allow the host under Secrets, then retry."
    ),
    "job:secret_person": _(
        "The person who launched this job may not use secret %(name)s. Allow it under Secrets, "
        "then retry."
    ),
    "job:secret_endpoint": _(
        "Secret %(name)s may not be sent to %(endpoint)s. Allow the address under Secrets, then "
        "retry."
    ),
    "job:secret_key": _(
        "Secret %(name)s cannot be decrypted. Restore the key file named under Secrets, then retry."
    ),
}
