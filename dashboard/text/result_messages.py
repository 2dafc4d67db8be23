"""Messages about a result: failed requests and other work during the run."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

RESULT_MESSAGES: dict[str, str | Promise] = {
    # Runs in which requests failed or questions were not scored (jobs.services.outcomes.shortfall).
    "benchmark:done_incomplete": _(
        "%(failed)s of %(total)s requests failed. Peak output: %(output_tokens_per_s)s tokens/s at "
        "concurrency %(concurrency)s."
    ),
    "benchmark:mostly_failed": _(
        "%(failed)s of %(total)s requests failed (half or more): no result is stored. Check the "
        "deployment and its log, then retry."
    ),
    "evaluate:done_incomplete": _(
        "%(failed)s of %(total)s questions were not scored. Accuracy of the other "
        "%(questions)s: %(accuracy)s %%."
    ),
    "evaluate:means_incomplete": _(
        "%(failed)s of %(total)s questions were not scored. Accuracy of the others: %(macro)s %% "
        "mean of %(sets)s sets, %(weighted)s %% over %(questions)s questions."
    ),
    "evaluate:mostly_unscored": _(
        "%(failed)s of %(total)s questions were not scored (half or more): no result is stored. "
        "Check the deployment and its log, then retry."
    ),
    # Texts in place of a result's number (jobs.queries.results.named).
    "result:number": _("“%(text)s” is no result. Results are written as res-15."),
    "result:number_of_job": _(
        "“%(text)s” is no result. Results are written as res-15. #%(job)s is a job; its result is "
        "%(result)s."
    ),
    "result:failed": _("%(failed)s of %(total)s requests failed."),
    "result:unscored": _("%(failed)s of %(total)s questions were not scored."),
    # Other work on the host during the run (jobs.services.outcomes.run_context).
    "result:beside_jobs": _("Disturbed: other jobs ran on the host (%(jobs)s)."),
    "result:beside_deployments": _(
        "Disturbed: other deployments were running on the host (%(names)s)."
    ),
    "result:beside_chats": _(
        "Chats used a deployment on this host during the run. Chat answers: %(chats)s."
    ),
    "result:other_clients": _(
        "Other clients used the deployment: %(running)s concurrent requests, %(concurrency)s of "
        "this benchmark."
    ),
    "result:host_loaded": _(
        "Other programs used the CPU: mean host load %(load)s on %(cores)s cores, above the load "
        "of this run."
    ),
}
