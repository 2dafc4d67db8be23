"""Limits of the catalogue at launch: red refuses, amber warns.

The texts are here, not in the dashboard, because a LaunchError carries them.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import STACKS, Stack, ZooModel
from jobs.catalog.limits import Finding, Wish, limits

WORDS: dict[str, Promise] = {
    "limit:path": _("The catalogue has no deployment of %(model)s with %(path)s."),
    "limit:stack_path": _("Stack %(stack)s cannot deploy this model with %(path)s."),
    "limit:input_above_length": _(
        "Inputs of %(max_input)s tokens exceed the total of %(max_length)s."
    ),
    "limit:context": _("Max context of %(model)s is %(tokens)s tokens."),
    "limit:tp": _("tp %(tp)s is not supported for this model. Supported: %(allowed)s."),
    "limit:precision": _("%(precision)s is not supported. Supported: %(allowed)s."),
    "limit:weights_do_not_fit": _(
        "Out of memory: at tp %(tp)s and %(precision)s, weights need %(weights_gb)s GB "
        "of each die's %(die_gb)s GB. Use tp %(best)s or larger."
    ),
    "limit:weights_fit_nowhere": _(
        "Out of memory: at tp %(tp)s and %(precision)s, weights need %(weights_gb)s GB "
        "of each die's %(die_gb)s GB. No available tp is large enough."
    ),
    "limit:cache_does_not_fit": _(
        "Out of memory: the KV cache of %(tokens)s tokens needs %(kv_gb)s GB per die. "
        "With %(weights_gb)s GB of weights, that exceeds the die's %(die_gb)s GB."
    ),
    "limit:multiple": _("Lengths must be multiples of %(multiple)s tokens; %(tokens)s is not."),
    "limit:reasoning_is_cut": _(
        "Many answers will be cut off: the limit is %(max_length)s tokens for question "
        "and answer, and the model may reason for up to %(tokens)s tokens."
    ),
    "limit:batch_size": _(
        "%(server)s processes %(most)s requests at a time; the rest of %(asked)s are queued."
    ),
    "limit:align_qkv": _("%(tp)s dies cannot share %(heads)s KV heads evenly. Turn align_qkv on."),
    "limit:stack_size": _("VACC_STACK_SIZE=%(size)s is needed to compile a model of this size."),
    "limit:tp_not_shown": _("tp %(tp)s is untested: published compile files use tp %(shown)s."),
    "limit:shape_not_shown": _(
        "Max published shape: inputs of %(max_input)s tokens, %(max_length)s in total."
    ),
    "limit:pp": _("Stack %(stack)s supports pipeline parallel sizes: %(allowed)s."),
    "limit:mtp_stack": _("Stack %(stack)s does not support MTP."),
    "limit:mtp_pp": _("MTP is not supported with pipeline parallel size %(pp)s."),
    "limit:max_input": _(
        "Max input at tp %(tp)s and pp %(pp)s is %(most)s tokens; requested: %(asked)s."
    ),
    "limit:max_input_of_pp": _(
        "Max input at tp %(tp)s and pp %(pp)s is %(most)s tokens; pp %(better)s allows %(asked)s."
    ),
    "limit:max_length": _(
        "Max total at tp %(tp)s and pp %(pp)s is %(most)s tokens; requested: %(asked)s."
    ),
    "limit:max_length_of_pp": _(
        "Max total at tp %(tp)s and pp %(pp)s is %(most)s tokens; pp %(better)s allows %(asked)s."
    ),
    "limit:concurrency": _(
        "Max concurrency of the engine is %(most)s; requested: %(asked)s. Further "
        "requests are not processed."
    ),
}


def violated(model: ZooModel, stack: Stack, wish: Wish) -> list[Message]:
    """Return all violated limits: for a verbatim plan, which runs anyway."""
    return [Message(one.message_id, one.args) for one in limits(model, stack, wish)]


def asked(model: ZooModel, stack: Stack, wish: Wish) -> list[Message]:
    """Return amber findings, which a person may accept."""
    amber = [one for one in limits(model, stack, wish) if one.level == "amber"]
    return [Message(one.message_id, one.args) for one in amber]


def refuse(model: ZooModel, stack: Stack, wish: Wish, fields: Mapping[str, str]) -> None:
    """Raise for red findings. ``fields``: field of the wish -> field of the form, if different.

    Raises:
        LaunchError: at the first red field.
    """
    for one in limits(model, stack, wish):
        if one.level == "red":
            raise LaunchError(text_of(one), fields.get(one.field, one.field))


def text_of(finding: Finding) -> str:
    """Return a finding in the viewer's language."""
    args = dict(finding.args)
    if "stack" in args:
        args["stack"] = gettext(STACKS[args["stack"]].name)
    return str(WORDS[finding.message_id]) % args
