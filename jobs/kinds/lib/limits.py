"""The catalogue's limits at a launch: red is refused, amber is told beside the plan.

The words are here and not in the dashboard, for a refusal is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs.catalog import STACKS, Stack, ZooModel
from jobs.catalog.limits import Finding, Wish, limits
from jobs.errors import LaunchError
from jobs.kinds.lib.base import Remark

WORDS: dict[str, Promise] = {
    "limit:path": _("The catalogue lists no way of deploying %(model)s with %(path)s."),
    "limit:stack_path": _("The stack %(stack)s does not serve this model with %(path)s."),
    "limit:input_above_length": _(
        "Inputs of %(max_input)s tokens do not go into a total of %(max_length)s."
    ),
    "limit:context": _("%(model)s was made for at most %(tokens)s tokens."),
    "limit:tp": _("tp %(tp)s is not supported for this model; supported: %(allowed)s."),
    "limit:precision": _("%(precision)s is not supported here; supported: %(allowed)s."),
    "limit:weights_do_not_fit": _(
        "At tp %(tp)s in %(precision)s the weights take %(weights_gb)s GB of the %(die_gb)s GB of"
        " a die; tp %(best)s is the smallest that holds them."
    ),
    "limit:weights_fit_nowhere": _(
        "At tp %(tp)s in %(precision)s the weights take %(weights_gb)s GB of the %(die_gb)s GB of"
        " a die, and no tp that is offered holds them."
    ),
    "limit:cache_does_not_fit": _(
        "The KV cache of %(tokens)s tokens takes %(kv_gb)s GB of a die; with %(weights_gb)s GB of"
        " weights that is more than its %(die_gb)s GB."
    ),
    "limit:multiple": _("Lengths are multiples of %(multiple)s tokens, which %(tokens)s is not."),
    "limit:reasoning_is_cut": _(
        "Question and answer end at %(max_length)s tokens together; the model reasons over up to"
        " %(tokens)s, so that many answers will be cut off."
    ),
    "limit:batch_size": _(
        "%(server)s works on %(most)s requests at the same time; of %(asked)s the others wait."
    ),
    "limit:align_qkv": _(
        "%(heads)s KV heads cannot be shared evenly among %(tp)s dies: switch align_qkv on."
    ),
    "limit:stack_size": _("Compiling a model of this size needs VACC_STACK_SIZE=%(size)s."),
    "limit:tp_not_shown": _(
        "Published compile files use tp %(shown)s; nothing is known of tp %(tp)s."
    ),
    "limit:shape_not_shown": _(
        "The longest shape that is published has inputs of %(max_input)s tokens and"
        " %(max_length)s in total."
    ),
    "limit:pp": _(
        "The stack %(stack)s is published with these numbers of pipeline stages: %(allowed)s."
    ),
    "limit:mtp_stack": _("The stack %(stack)s has no MTP."),
    "limit:mtp_pp": _("MTP does not work together with %(pp)s pipeline stages."),
    "limit:max_input": _(
        "With tp %(tp)s and pp %(pp)s an input has at most %(most)s tokens; %(asked)s are more."
    ),
    "limit:max_input_of_pp": _(
        "With tp %(tp)s and pp %(pp)s an input has at most %(most)s tokens; pp %(better)s allows"
        " %(asked)s."
    ),
    "limit:max_length": _(
        "With tp %(tp)s and pp %(pp)s the total is at most %(most)s tokens; %(asked)s are more."
    ),
    "limit:max_length_of_pp": _(
        "With tp %(tp)s and pp %(pp)s the total is at most %(most)s tokens; pp %(better)s allows"
        " %(asked)s."
    ),
    "limit:concurrency": _(
        "Beyond %(most)s requests at the same time the engine does not process the others;"
        " %(asked)s are asked for."
    ),
}


def found(model: ZooModel, stack: Stack, wish: Wish) -> list[Remark]:
    """Everything that does not hold: for a plan that is run to the letter all the same."""
    return [Remark(one.sentence, one.args) for one in limits(model, stack, wish)]


def asked(model: ZooModel, stack: Stack, wish: Wish) -> list[Remark]:
    """What is amber: a person may go on."""
    amber = [one for one in limits(model, stack, wish) if one.level == "amber"]
    return [Remark(one.sentence, one.args) for one in amber]


def refuse(model: ZooModel, stack: Stack, wish: Wish, fields: Mapping[str, str]) -> None:
    """Refuse what is red. ``fields``: field of the wish -> field of the form, where they differ.

    Raises:
        LaunchError: at the first field that is red.
    """
    for one in limits(model, stack, wish):
        if one.level == "red":
            raise LaunchError(words(one), fields.get(one.field, one.field))


def words(finding: Finding) -> str:
    """A finding in the viewer's language."""
    args = dict(finding.args)
    if "stack" in args:
        args["stack"] = gettext(STACKS[args["stack"]].name)
    return str(WORDS[finding.sentence]) % args
