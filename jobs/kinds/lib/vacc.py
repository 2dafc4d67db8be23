"""Shared code of kinds on VACC hosts: stack, models, paths, limits of the catalogue."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, STACKS, Stack, ZooModel
from jobs.catalog.limits import Wish, limits
from jobs.catalog.stacks import BuildIn, EvaluationTools
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import is_inside, reported
from jobs.tools.vacc import images
from jobs.tools.vacc.downloads import HF_MIRROR
from jobs.tools.vacc.site import GUIDE_FACTS, VaccSite, vacc_site_of

GIT_ADDRESS = r"^$|^https://[A-Za-z0-9][A-Za-z0-9._/:%+-]*$"
# Here, not in the dashboard, because a LaunchError carries the texts.
LIMIT_WORDS: dict[str, Promise] = {
    "limit:path": gettext_lazy("The catalogue has no deployment of %(model)s with %(path)s."),
    "limit:stack_path": gettext_lazy("Stack %(stack)s cannot deploy this model with %(path)s."),
    "limit:input_above_length": gettext_lazy(
        "Inputs of %(max_input)s tokens exceed the total of %(max_length)s."
    ),
    "limit:context": gettext_lazy("Max context of %(model)s is %(tokens)s tokens."),
    "limit:tp": gettext_lazy("tp %(tp)s is not supported for this model. Supported: %(allowed)s."),
    "limit:precision": gettext_lazy("%(precision)s is not supported. Supported: %(allowed)s."),
    "limit:weights_do_not_fit": gettext_lazy(
        "Out of memory: at tp %(tp)s and %(precision)s, weights need %(weights_gb)s GB "
        "of each die's %(die_gb)s GB. Use tp %(best)s or larger."
    ),
    "limit:weights_fit_nowhere": gettext_lazy(
        "Out of memory: at tp %(tp)s and %(precision)s, weights need %(weights_gb)s GB "
        "of each die's %(die_gb)s GB. No available tp is large enough."
    ),
    "limit:cache_does_not_fit": gettext_lazy(
        "Out of memory: the KV cache of %(tokens)s tokens needs %(kv_gb)s GB per die. "
        "With %(weights_gb)s GB of weights, that exceeds the die's %(die_gb)s GB."
    ),
    "limit:multiple": gettext_lazy(
        "Lengths must be multiples of %(multiple)s tokens; %(tokens)s is not."
    ),
    "limit:reasoning_is_cut": gettext_lazy(
        "Many answers will be cut off: the limit is %(max_length)s tokens for question "
        "and answer, and the model may reason for up to %(tokens)s tokens."
    ),
    "limit:batch_size": gettext_lazy(
        "%(server)s processes %(most)s requests at a time; the rest of %(asked)s are queued."
    ),
    "limit:align_qkv": gettext_lazy(
        "%(tp)s dies cannot share %(heads)s KV heads evenly. Turn align_qkv on."
    ),
    "limit:stack_size": gettext_lazy(
        "VACC_STACK_SIZE=%(size)s is needed to compile a model of this size."
    ),
    "limit:tp_not_shown": gettext_lazy(
        "tp %(tp)s is untested: published compile files use tp %(shown)s."
    ),
    "limit:shape_not_shown": gettext_lazy(
        "Max published shape: inputs of %(max_input)s tokens, %(max_length)s in total."
    ),
    "limit:pp": gettext_lazy("Stack %(stack)s supports pipeline parallel sizes: %(allowed)s."),
    "limit:mtp_stack": gettext_lazy("Stack %(stack)s does not support MTP."),
    "limit:mtp_pp": gettext_lazy("MTP is not supported with pipeline parallel size %(pp)s."),
    "limit:max_input": gettext_lazy(
        "Max input at tp %(tp)s and pp %(pp)s is %(most)s tokens; requested: %(asked)s."
    ),
    "limit:max_input_of_pp": gettext_lazy(
        "Max input at tp %(tp)s and pp %(pp)s is %(most)s tokens; pp %(better)s allows %(asked)s."
    ),
    "limit:max_length": gettext_lazy(
        "Max total at tp %(tp)s and pp %(pp)s is %(most)s tokens; requested: %(asked)s."
    ),
    "limit:max_length_of_pp": gettext_lazy(
        "Max total at tp %(tp)s and pp %(pp)s is %(most)s tokens; pp %(better)s allows %(asked)s."
    ),
    "limit:concurrency": gettext_lazy(
        "Max concurrency of the engine is %(most)s; requested: %(asked)s. Further "
        "requests are not processed."
    ),
}


def endpoint_field() -> Any:
    return field(
        *(HF_MIRROR, "Hub address", "Download"),
        max_length=200,
        pattern=r"^$|^https?://[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        source="hub",
        description="Hub address (HF_ENDPOINT) for hf and hfd.sh. Empty: the tool's default.",
    )


def stack_field(**rules: Any) -> Any:
    description = "Software stack on the host: the deployment guide's, or the current one."
    return field("guide", "Stack", "Stack", description=description, **rules)


def exact_field(**rules: Any) -> Any:
    return field(
        *(False, "Guide verbatim", "Stack"),
        needs_dies=True,
        description="The guide's unchanged commands, including ones known to fail.",
        **rules,
    )


class StackParams(KindParams):
    """Stack of a host, and how its commands are built."""

    stack: str
    as_in_guide: bool


class VaccParams(StackParams):
    """Stack on a host with cards."""

    stack: Literal["guide", "current"] = stack_field()
    as_in_guide: bool = exact_field(when=("stack", "guide"))


class OnVacc(Kind, params=VaccParams):
    """Base of kinds for hosts with accelerator cards."""

    has_dies: ClassVar[bool | None] = True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the stacks of this host that can do the work; None for other fields."""
        if field != "stack":
            return None
        return [one for one in stack_choices(target) if self.runs_on(STACKS[one.value])]

    def runs_on(self, stack: Stack) -> bool:
        """True if the stack has the tool."""
        return True


class OnOpencompass(OnVacc, params=VaccParams):
    """Base of kinds that use OpenCompass in a host's conda."""

    def runs_on(self, stack: Stack) -> bool:
        return bool(stack.evaluation.opencompass)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "dataset_source":
            return [Choice("", _("The archives")), Choice("modelscope", "ModelScope")]
        return super().choices(field, target)


def build_in_of(params: StackParams) -> BuildIn:
    tools = stack_of(params).build_in
    if tools is None:
        raise LaunchError(_("This stack cannot deploy compiled models."), "stack")
    return tools


def opencompass_of(params: StackParams) -> EvaluationTools:
    tools = stack_of(params).evaluation
    if not tools.opencompass:
        raise LaunchError(_("This stack uses EvalScope instead of OpenCompass."), "stack")
    return tools


def stack_choices(target: Target) -> Sequence[Choice]:
    """Return the stacks that the host reports, or all if it reports none."""
    host_type = "vacc" if target.has_dies else "cpu"
    known = [stack for stack in STACKS.values() if stack.hosts == host_type]
    reports = target.facts.get("stacks")
    has = [stack for stack in known if reports is None or stack.id in reports]
    return [Choice(stack.id, stack.name) for stack in has or known]


def stack_of(params: StackParams) -> Stack:
    return STACKS[params.stack]


def is_exact(params: StackParams) -> bool:
    return params.as_in_guide and params.stack == "guide"


def vacc_site(target: Target) -> VaccSite:
    return reported(vacc_site_of, target)


def conda_site(target: Target) -> VaccSite:
    site = vacc_site(target)
    if not site.conda:
        raise LaunchError(_("%(host)s has no conda."), host=target.name)
    return site


def model_of(model_id: str, field: str = "model") -> ZooModel:
    model = MODELS.get(model_id)
    if model is None:
        raise LaunchError(_("Unknown model. Choose one from the catalogue."), field)
    return model


def model_of_asset(ref: AssetRef) -> ZooModel:
    return model_of(str(ref.data["model_id"]), ref.type)  # its field is named after the type


def image_name(stack: Stack, target: Target, tag: str = "") -> str:
    """Return the stack's docker image on this host; ``tag`` overrides the stack's own."""
    try:
        return images.reference(stack, vacc_site(target), tag)
    except ValueError:
        message = _("%(host)s has no image registry. Set HOST_REGISTRY in host.env.")
        raise LaunchError(message, "stack", host=target.name) from None


def folder_in_workspace(path: str, site: VaccSite, default: str) -> str:
    """Return the field ``folder``, or ``default`` if it is empty.

    Raises:
        LaunchError: not absolute, not in the workspace, or invisible to containers.
    """
    if not path:
        return default
    if not is_inside(path, site.workspace):
        message = _("Enter an absolute path below %(folder)s, which containers can access.")
        raise LaunchError(message, "folder", folder=site.workspace)
    if any(is_inside(path, jobs) for jobs in site.jobs_folders):
        message = _("This job folder is removed some days after the job ends. Move it elsewhere.")
        raise LaunchError(message, "folder")
    return str(PurePosixPath(path))


def source_choices(*names: str) -> list[Choice]:
    """Return download tools and other sources as choices of a field."""
    titles = {
        "hf": "huggingface_hub",
        "hfd": "hfd.sh",
        "huggingface": "Hugging Face",
        "modelscope": "ModelScope",
        "folder": _("Existing folder"),
    }
    return [Choice(name, titles[name]) for name in names]


def container_notes(stack: Stack, target: Target) -> list[Message]:
    """Return notes on a container that the guide starts by hand; none for other stacks."""
    container = stack.vllm.container
    if container is None or container.publish_port:
        return []
    site, notes = vacc_site(target), [Message("guide:detached")]
    if (site.workspace, site.mount) != (GUIDE_FACTS["workspace"], GUIDE_FACTS["mount"]):
        args = {"folder": site.workspace, "mount": site.mount}
        notes.append(Message("guide:workspace_here", args))
    return notes


def limit_notes(model: ZooModel, stack: Stack, wish: Wish, *, exact: bool) -> list[Message]:
    """Return findings that a person may accept; of a verbatim plan, which runs anyway, all."""
    found = limits(model, stack, wish)
    return [Message(one.message_id, one.args) for one in found if exact or one.level == "amber"]


def refuse_limits(model: ZooModel, stack: Stack, wish: Wish, fields: Mapping[str, str]) -> None:
    """Raise for red findings. ``fields``: field of the wish -> field of the form, if different."""
    for one in limits(model, stack, wish):
        if one.level == "red":
            named = {"stack": _(STACKS[one.args["stack"]].name)} if "stack" in one.args else {}
            message = str(LIMIT_WORDS[one.message_id])
            raise LaunchError(message, fields.get(one.field, one.field), **{**one.args, **named})
