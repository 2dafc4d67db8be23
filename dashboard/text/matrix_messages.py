"""Messages of matrices: why a cell is skipped."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MATRIX_MESSAGES: dict[str, str | Promise] = {
    "matrix:max_concurrency": _("Max concurrency of the engine is %(most)s."),
    "matrix:max_input": _("Max prompt length is %(most)s tokens."),
    "matrix:max_total": _(
        "Prompt and output need %(asked)s tokens; the deployment has %(most)s per request."
    ),
    "matrix:context": _(
        "Prompt and output need %(asked)s tokens; the model's context is %(most)s."
    ),
    "matrix:total_tokens": _(
        "Concurrency %(concurrency)s × %(asked)s tokens exceeds the workload's total of %(most)s."
    ),
    "matrix:refused": _("Not possible on this deployment: %(reason)s"),
    "matrix:warm_up": _("Warm-up run of a matrix: it does not count."),
    "matrix:only_queues": _(
        "More load only queues: throughput at concurrency %(at)s was %(percent)s %% above "
        "%(below)s, and requests took longer."
    ),
}
