"""Why answers or prompts were longer or shorter than asked for (jobs.kinds.lib.lengths)."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LENGTH_SENTENCES: dict[str, str | Promise] = {
    "lengths:output_ended": _(
        "Answers have %(measured)s tokens on average at concurrency %(concurrency)s; "
        "%(asked)s were asked for. The model may end its answers: the benchmark sends no "
        "ignore_eos."
    ),
    "lengths:output_cut": _(
        "Answers have %(measured)s tokens on average at concurrency %(concurrency)s; "
        "%(asked)s were asked for. ignore_eos was sent: check the engine's limit of output tokens."
    ),
    "lengths:output_context": _(
        "Answers have %(measured)s tokens on average at concurrency %(concurrency)s; "
        "%(asked)s were asked for. The deployment's context ends them: %(context)s tokens, prompt "
        "and output together (max_total). Ask for less, or deploy with a longer context."
    ),
    "lengths:output_long": _(
        "Answers have %(measured)s tokens on average at concurrency %(concurrency)s; "
        "%(asked)s were asked for. Benchmark and engine may count tokens differently."
    ),
    "lengths:input": _(
        "Prompts have %(measured)s tokens on average at concurrency %(concurrency)s; "
        "%(asked)s were asked for. Prompts are made of whole lines or words: their length varies."
    ),
}
