"""Build images: vLLM's container image, built like the guide's, or pulled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.vacc import (
    OnVacc,
    VaccParams,
    folder_field,
    folder_or,
    image_name,
    is_exact,
    repository_field,
    stack_of,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.vacc import images as vacc_images
from jobs.tools.vacc.images import Building, image_of, variant


class Params(VaccParams):
    """Image, and its source."""

    repository: str = repository_field(
        "Address of the vLLM repository. Empty: the guide's.",
        label="Sources of vLLM",
        group="Build",
        when=["stack", "guide"],
    )
    folder: str = folder_field(
        "Folder with the vendor's Dockerfile and wheels. Empty: docker in the workspace.",
        "Build",
        label="Vendor docker folder",
        when=["stack", "guide"],
    )
    no_cache: bool = Field(
        True,
        description="Rebuild every layer, as the guide does. If off, repeated builds are fast.",
        json_schema_extra={
            "label": "No docker cache",
            "group": "Build",
            "when": ["stack", "guide"],
        },
    )
    tag: str = Field(
        "",
        max_length=128,
        pattern=r"^$|^[A-Za-z0-9_][A-Za-z0-9._-]*$",
        description="Image tag. Empty: the stack's tag for the host's processor.",
        json_schema_extra={
            "label": "Tag",
            "group": "Pull",
            "when": ["stack", "current"],
            "source": "image",
        },
    )
    registry_user: str = Field(
        "",
        max_length=128,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._@+$-]*$",
        description="User of the host's image registry. Empty: no login.",
        json_schema_extra={
            "label": "Registry user",
            "group": "Pull",
            "when": ["stack", "current"],
        },
    )
    registry_password: str = Field(
        "",
        max_length=64,
        pattern=r"^$|^[A-Z][A-Z0-9_]{1,63}$",
        description="Secret with the password of the registry user.",
        json_schema_extra={
            "label": "Registry password",
            "group": "Pull",
            "when": ["stack", "current"],
        },
    )


class BuildImages(OnVacc, params=Params):
    """Build vLLM's container image like the guide's, or pull it."""

    name = "build-images"
    title = "Build images"
    reads = "readings.image"
    progress = "tools.outputs.progress.image"
    family = "prepare"
    programs = vacc_images.PROGRAMS
    steps = vacc_images.STEPS
    mends = (
        "image-missing",
        "base-image-missing",
        "check:image_missing",
    )
    brings = True

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the guide."""
        site = vacc_site(target)
        if params.stack == "current":
            return _notes_of_pull(params, target)
        notes = [Message("guide:cd")]
        processor = variant(site)
        if is_exact(params):
            notes.append(Message("guide:clone_fails", {"folder": f"{site.workspace}/vllm"}))
            if processor:
                notes.append(Message("guide:image_needs_avx512"))
            return [*notes, Message("guide:inspect_added")]
        notes.append(Message("guide:clone_there"))
        if processor == "_noavx":
            notes.append(Message("guide:image_noavx"))
        if processor == "_arm":
            notes.append(Message("guide:image_arm", {"file": vacc_images.ARM_FILE}))
        return [*notes, Message("guide:inspect_added")]

    def title_of(self, params: Params, target: Target) -> str:
        """The image's name."""
        return _image(params, target)

    def sources(self, params: Params, target: Target) -> Mapping[str, str]:
        """The tag stands for the whole image."""
        found = super().sources(params, target)
        return {**found, "tag": _image(params, target)} if "tag" in found else found

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        """An environment whose path is the image's name; the image ID is known after the build."""
        return {
            "type": "environment",
            "name": f"image:{vacc_images.NAME}",
            "fingerprint": "",
            "path": _image(params, target),
        }

    def plan(self, params: Params, target: Target) -> Plan:
        """Clone, check out, build twice and inspect; or pull and inspect."""
        site, stack = vacc_site(target), stack_of(params)
        _check_login(params)
        if not image_of(stack).build:
            return vacc_images.pull_plan(
                _image(params, target),
                site,
                user=params.registry_user,
                password=params.registry_password,
            )
        entered = "" if is_exact(params) else params.folder
        wanted = Building(
            repository=params.repository or image_of(stack).build[0].repository,
            folder=folder_or(f"{site.workspace}/docker", entered, site),
            no_cache=params.no_cache,
            exact=is_exact(params),
        )
        return vacc_images.build_plan(stack, site, wanted)

    def successors(self, params: Params) -> Sequence[str]:
        """Kinds that run in the image."""
        return ("deploy-vllm", "benchmark-throughput", "benchmark-latency")


def _notes_of_pull(params: Params, target: Target) -> Sequence[Message]:
    notes = [Message("guide:registry_login")] if params.registry_password else []
    if not params.tag and variant(vacc_site(target)):
        notes.append(Message("guide:image_variant", {"image": _image(params, target)}))
    return [*notes, Message("guide:inspect_added")]


def _check_login(params: Params) -> None:
    """Refuse half a login, and a login that the commands have no place for."""
    given = {
        "registry_user": params.registry_user,
        "registry_password": params.registry_password,
    }
    named = next((field for field, value in given.items() if value), None)
    if named and params.stack != "current":
        message = _("The guide's commands do not have this setting. Leave the default.")
        raise LaunchError(message, named)
    missing = next((field for field, value in given.items() if not value), None)
    if named and missing:
        raise LaunchError(_("Enter both user and password of the registry, or neither."), missing)


def _image(params: Params, target: Target) -> str:
    return image_name(stack_of(params), target, params.tag)
