"""Messages on lengths that differ from the requested ones (jobs.kinds.lib.lengths)."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LENGTH_MESSAGES: dict[str, str | Promise] = {
    "lengths:output_ended": _(
        "Answers average %(measured)s tokens at concurrency %(concurrency)s; %(asked)s "
        "requested. The benchmark sends no ignore_eos, so the model may stop early."
    ),
    "lengths:output_cut": _(
        "Answers average %(measured)s tokens at concurrency %(concurrency)s; %(asked)s "
        "requested. ignore_eos was sent: check the engine's output token limit."
    ),
    "lengths:output_context": _(
        "Answers average %(measured)s tokens at concurrency %(concurrency)s; %(asked)s "
        "requested. The deployment's context of %(context)s tokens (max_total) ends them: "
        "prompt and output together. Reduce the output, or deploy with a longer context."
    ),
    "lengths:output_long": _(
        "Answers average %(measured)s tokens at concurrency %(concurrency)s; %(asked)s "
        "requested. Benchmark and engine may count tokens differently."
    ),
    "lengths:input": _(
        "Prompts average %(measured)s tokens at concurrency %(concurrency)s; %(asked)s "
        "requested. Prompts are built from whole lines or words, so lengths vary."
    ),
}
