"""Build images: vLLM's container image, built like the guide's, or pulled."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.kinds.lib.base import Target, field
from jobs.kinds.lib.common import PATH, SECRET
from jobs.kinds.lib.vacc import (
    GIT_ADDRESS,
    OnVacc,
    VaccParams,
    folder_or,
    image_name,
    is_exact,
    stack_of,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.vacc import images as vacc_images
from jobs.tools.vacc.images import image_of, variant

_GUIDE, _CURRENT = ("stack", "guide"), ("stack", "current")


class Params(VaccParams):
    """Image, and its source."""

    repository: str = field(
        *("", "Sources of vLLM", "Build"),
        max_length=255,
        pattern=GIT_ADDRESS,
        source="git",
        when=_GUIDE,
    )
    """Address of the vLLM repository. Empty: the guide's."""
    folder: str = field(
        "", "Vendor docker folder", "Build", max_length=255, pattern=PATH, when=_GUIDE
    )
    """Folder with the vendor's Dockerfile and wheels. Empty: docker in the workspace."""
    no_cache: bool = field(True, "No docker cache", "Build", when=_GUIDE)
    """Rebuild every layer, as the guide does. If off, repeated builds are fast."""
    tag: str = field(
        *("", "Tag", "Pull"),
        max_length=128,
        pattern=r"^$|^[A-Za-z0-9_][A-Za-z0-9._-]*$",
        when=_CURRENT,
        source="image",
    )
    """Image tag. Empty: the stack's tag for the host's processor."""
    registry_user: str = field(
        *("", "Registry user", "Pull"),
        max_length=128,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._@+$-]*$",
        when=_CURRENT,
    )
    """User of the host's image registry. Empty: no login."""
    registry_password: str = field(
        "", "Registry password", "Pull", max_length=64, pattern=SECRET, when=_CURRENT
    )
    """Secret with the password of the registry user."""


class BuildImages(OnVacc, params=Params):
    """Build vLLM's container image like the guide's, or pull it."""

    name = "build-images"
    title = "Build images"
    reads = "readings.image"
    progress = "tools.outputs.progress.image"
    family = "prepare"
    programs = vacc_images.PROGRAMS
    steps = vacc_images.STEPS
    leads_to = ("deploy-vllm", "benchmark-throughput", "benchmark-latency")
    mends = ("image-missing", "base-image-missing", "check:image_missing")
    brings = True

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        site = vacc_site(target)
        processor = variant(site)
        if params.stack == "current":
            notes = [Message("guide:registry_login")] if params.registry_password else []
            if processor and not params.tag:
                notes.append(Message("guide:image_variant", {"image": _image(params, target)}))
        elif is_exact(params):
            folder = {"folder": f"{site.workspace}/vllm"}
            notes = [Message("guide:cd"), Message("guide:clone_fails", folder)]
            notes += [Message("guide:image_needs_avx512")] if processor else []
        else:
            notes = [Message("guide:cd"), Message("guide:clone_there")]
            if processor == "_noavx":
                notes.append(Message("guide:image_noavx"))
            if processor == "_arm":
                notes.append(Message("guide:image_arm", {"file": vacc_images.ARM_FILE}))
        return [*notes, Message("guide:inspect_added")]

    def title_of(self, params: Params, target: Target) -> str:
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
        return vacc_images.build_plan(
            stack,
            site,
            repository=params.repository or image_of(stack).build[0].repository,
            folder=folder_or(f"{site.workspace}/docker", entered, site),
            no_cache=params.no_cache,
            exact=is_exact(params),
        )


def _check_login(params: Params) -> None:
    """Refuse half a login, and a login that the commands have no place for."""
    given = {name: getattr(params, name) for name in ("registry_user", "registry_password")}
    named = next((field for field, value in given.items() if value), None)
    if named and params.stack != "current":
        message = _("The guide's commands do not have this setting. Leave the default.")
        raise LaunchError(message, named)
    missing = next((field for field, value in given.items() if not value), None)
    if named and missing:
        raise LaunchError(_("Enter both user and password of the registry, or neither."), missing)


def _image(params: Params, target: Target) -> str:
    return image_name(stack_of(params), target, params.tag)
