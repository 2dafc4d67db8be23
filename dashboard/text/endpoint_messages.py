"""Outcomes of checks of endpoints (dashboard.actions.endpoints), and of jobs against them."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ENDPOINT_MESSAGES: dict[str, str | Promise] = {
    "endpoint:ok": _("The engine answers and serves the model."),
    "endpoint:silent": _(
        "No answer at %(url)s: %(problem)s. Start the engine, or correct the address. A host may "
        "still reach it: jobs check again from theirs."
    ),
    "endpoint:redirect": _(
        "%(url)s answers HTTP %(status)s, a redirect, which is not followed. Enter the final "
        "address."
    ),
    "endpoint:key_missing": _("%(url)s answers HTTP %(status)s: it needs an API key. Choose one."),
    "endpoint:key_wrong": _(
        "%(url)s answers HTTP %(status)s: it refuses the API key. Replace the secret."
    ),
    "endpoint:key_refused": _(
        "Secret %(name)s is missing, or may not be sent to %(url)s. Allow the address under "
        "Secrets, then check again."
    ),
    "endpoint:not_permitted": _(
        "%(url)s may not be called. Add it under Sources, type “endpoint”, then check again."
    ),
    "endpoint:special": _(
        "%(url)s has the special address %(ip)s. Add %(entry)s under Sources, type “endpoint”, "
        "then check again."
    ),
    "endpoint:status": _(
        "%(url)s/v1/models answers HTTP %(status)s. Enter the address before /v1."
    ),
    "endpoint:no_list": _(
        "%(url)s/v1/models lists no models: no OpenAI-compatible engine. Correct the address."
    ),
    "endpoint:no_model": _(
        "The engine does not serve %(model)s. It serves %(models)s. Correct the model."
    ),
    "job:endpoint_archived": _("Cancelled: endpoint %(name)s is archived. Restore it, then retry."),
}
