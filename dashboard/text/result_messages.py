"""What a result is worth: what failed in its run, and what ran beside it."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

RESULT_SENTENCES: dict[str, str | Promise] = {
    # Runs in which requests failed or questions were not scored (jobs.services.outcomes.shortfall).
    "benchmark:done_incomplete": _(
        "%(failed)s of %(total)s requests failed. The others: %(output_tokens_per_s)s output "
        "tokens/s at best, at concurrency %(concurrency)s."
    ),
    "benchmark:mostly_failed": _(
        "%(failed)s of %(total)s requests failed, half or more: no result is stored. Check the "
        "deployment and its log, then retry."
    ),
    "evaluate:done_incomplete": _(
        "%(failed)s of %(total)s questions were not scored. Of the other %(questions)s, "
        "%(accuracy)s %% are correct."
    ),
    "evaluate:means_incomplete": _(
        "%(failed)s of %(total)s questions were not scored. Of the others: %(macro)s %% accuracy "
        "as the mean of %(sets)s sets, %(weighted)s %% of %(questions)s questions."
    ),
    "evaluate:mostly_unscored": _(
        "%(failed)s of %(total)s questions were not scored, half or more: no result is stored. "
        "Check the deployment and its log, then retry."
    ),
    "result:failed": _("%(failed)s of %(total)s requests failed."),
    "result:unscored": _("%(failed)s of %(total)s questions were not scored."),
    # What ran on the host meanwhile (jobs.services.outcomes.run_context).
    "result:beside_jobs": _("The host was not quiet: other jobs ran beside it, %(jobs)s."),
    "result:beside_deployments": _(
        "The host was not quiet: other deployments were up beside it, %(names)s."
    ),
    "result:beside_chats": _(
        "Chats used a deployment of this host meanwhile. Answers written: %(chats)s."
    ),
    "result:other_clients": _(
        "The engine ran %(running)s requests at once; this benchmark sent %(concurrency)s. Other "
        "clients used the deployment."
    ),
    "result:host_loaded": _(
        "Host load %(load)s on average with %(cores)s cores, more than this run makes. Other "
        "programs used the CPU."
    ),
}
