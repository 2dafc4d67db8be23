"""Shared code of kinds on VACC hosts: stack, models, paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal, Protocol

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, STACKS, Stack, ZooModel
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target
from jobs.kinds.lib.common import is_inside
from jobs.tools.lib.hub import HF_MIRROR
from jobs.tools.vacc import images
from jobs.tools.vacc.site import GUIDE_FACTS, VaccSite, vacc_site_of

STACK_GROUP = "Stack"
CPU_STACK = "vllm-cpu"
# Absolute path that is unambiguous in command lines and YAML.
PATH_PATTERN = r"^$|^/[A-Za-z0-9._/@+-]*$"


class OfStack(Protocol):
    """Params that name a stack."""

    @property
    def stack(self) -> str:
        """A stack of the catalogue."""

    @property
    def as_in_guide(self) -> bool:
        """Guide verbatim."""


def folder_field(description: str, group: str, *, label: str = "Folder", **extra: Any) -> Any:
    """Return the field ``folder`` on the host. ``extra``: more keys, see ``Kind``."""
    return Field(
        "",
        max_length=255,
        pattern=PATH_PATTERN,
        description=description,
        json_schema_extra={"label": label, "group": group, **extra},
    )


def endpoint_field() -> Any:
    """Return the field ``endpoint`` of a download."""
    return Field(
        HF_MIRROR,
        max_length=200,
        pattern=r"^$|^https?://[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        description="Hub address (HF_ENDPOINT) for hf and hfd.sh. Empty: the tool's default.",
        json_schema_extra={"label": "Hub address", "group": "Download", "source": "hub"},
    )


def repository_field(description: str, *, label: str, group: str, **extra: Any) -> Any:
    """Return the field ``repository`` of sources. ``extra``: more keys, see ``Kind``."""
    return Field(
        "",
        max_length=255,
        pattern=r"^$|^https://[A-Za-z0-9][A-Za-z0-9._/:%+-]*$",
        description=description,
        json_schema_extra={"label": label, "group": group, "source": "git", **extra},
    )


def stack_field(*, runs_without_dies: bool = False, follows: Sequence[str] = ()) -> Any:
    """Return the field ``stack``. ``runs_without_dies``: the kind also supports vLLM on a
    processor.

    ``follows``: the asset field whose stack is the default, see ``jobs.kinds.lib.defaults``.
    """
    extra: dict[str, Any] = {"label": "Stack", "group": STACK_GROUP}
    if follows:
        extra["follows"] = [*follows]
    if runs_without_dies:
        extra["without_dies"] = CPU_STACK
    return Field(
        "guide",
        description="Software stack on the host: the deployment guide's, or the current one.",
        json_schema_extra=extra,
    )


def exact_field(*, of_every_stack: bool = False) -> Any:
    """Return the field ``as_in_guide``. ``of_every_stack``: it also applies to the page of the
    current stack."""
    when: dict[str, Any] = {} if of_every_stack else {"when": ["stack", "guide"]}
    return Field(
        False,
        description="The guide's unchanged commands, including ones known to fail.",
        json_schema_extra={
            "label": "Guide verbatim",
            "group": STACK_GROUP,
            "needs_dies": True,
            **when,
        },
    )


class VaccParams(KindParams):
    """Stack on a host with cards, and how its commands are built."""

    stack: Literal["guide", "current"] = stack_field()
    as_in_guide: bool = exact_field()


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


def stack_choices(target: Target) -> Sequence[Choice]:
    """Return the stacks that the host reports, or all if it reports none."""
    host_type = "vacc" if target.has_dies else "cpu"
    known = [stack for stack in STACKS.values() if stack.hosts == host_type]
    reported = target.facts.get("stacks")
    has = [stack for stack in known if reported is None or stack.id in reported]
    return [Choice(stack.id, stack.name) for stack in has or known]


def stack_of(params: OfStack) -> Stack:
    """Return the requested stack."""
    return STACKS[params.stack]


def stack_name(stack_id: str) -> str:
    """Return a stack's name in the viewer's language; its id if the catalogue has no name."""
    stack = STACKS.get(stack_id)
    return _(stack.name) if stack else stack_id


def is_exact(params: OfStack) -> bool:
    """True if guide verbatim was requested."""
    return params.as_in_guide and params.stack == "guide"


def vacc_site(target: Target) -> VaccSite:
    """Return the target's folders.

    Raises:
        LaunchError: the host has not reported its folders yet.
    """
    try:
        return vacc_site_of(target.facts)
    except KeyError:
        raise LaunchError(
            _("%(host)s has not reported its folders yet. Try again in a minute.")
            % {"host": target.name}
        ) from None


def model_of(model_id: str, field: str = "model") -> ZooModel:
    """A model of the catalogue.

    Raises:
        LaunchError: unknown id; ``field`` is the form's field.
    """
    try:
        return MODELS[model_id]
    except KeyError:
        raise LaunchError(_("Unknown model. Choose one from the catalogue."), field) from None


def model_of_asset(ref: AssetRef) -> ZooModel:
    """Return the model of weights or an artifact; the form's field is named after the asset's
    type.

    Raises:
        LaunchError: the catalogue no longer has the model.
    """
    return model_of(str(ref.data["model_id"]), ref.type)


def image_name(stack: Stack, target: Target, tag: str = "") -> str:
    """Return the stack's docker image on this host; ``tag`` overrides the stack's own.

    Raises:
        LaunchError: the image is in a registry, and the host has no registry address.
    """
    try:
        return images.reference(stack, vacc_site(target), tag)
    except ValueError:
        raise LaunchError(
            _("%(host)s has no image registry. Set HOST_REGISTRY in host.env.")
            % {"host": target.name},
            "stack",
        ) from None


def folder_in_workspace(path: str, site: VaccSite, field: str) -> str:
    """Validate an entered folder: absolute, in the workspace, visible to containers.

    Raises:
        LaunchError: it is not.
    """
    if not is_inside(path, site.workspace):
        raise LaunchError(
            _("Enter an absolute path below %(folder)s, which containers can access.")
            % {"folder": site.workspace},
            field,
        )
    if any(is_inside(path, jobs) for jobs in site.jobs_folders):
        raise LaunchError(
            _("This job folder is removed some days after the job ends. Move it elsewhere."),
            field,
        )
    return str(PurePosixPath(path))


def folder_or(default: str, entered: str, site: VaccSite) -> str:
    """Return the folder of the field ``folder``; ``default`` if it is empty.

    Raises:
        LaunchError: see :func:`folder_in_workspace`.
    """
    return folder_in_workspace(entered, site, "folder") if entered else default


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
