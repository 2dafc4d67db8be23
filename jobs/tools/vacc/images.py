"""Docker images for VACC hosts: built like the guide's, or pulled."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog.stacks import Build, Image, Stack
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, script
from jobs.tools.vacc.site import VaccSite

PROGRAMS = ("docker", "git", "python3")
STEPS = {
    "build-base": pgettext_lazy("step", "build base image"),
    "build-vacc": pgettext_lazy("step", "build VACC image"),
    "pull": pgettext_lazy("step", "pull"),
    "inspect": pgettext_lazy("step", "inspect"),
}
KIND = "build-images"
NAME = "vllm_vacc"
# vLLM's own Dockerfiles at v0.7.2: Dockerfile.cpu takes this argument, Dockerfile.arm is beside it.
NO_AVX512 = ("--build-arg", "VLLM_CPU_DISABLE_AVX512=true")
ARM_FILE = "Dockerfile.arm"
DOCKER_ROOT = "/var/lib/docker"
ROOM_BYTES = 40 * 10**9  # rough size of two images with torch and build tools


@dataclass(frozen=True, slots=True)
class Building:
    """Build settings. ``folder``: folder of the vendor's Dockerfile."""

    repository: str
    folder: str
    no_cache: bool
    exact: bool


def image_of(stack: Stack) -> Image:
    """The stack's image."""
    image = stack.vllm.image
    if image is None:
        raise ValueError(f"the stack {stack.id} has no image")
    return image


def variant(site: VaccSite) -> str:
    """Return the image name's suffix for this processor."""
    if site.arch == "aarch64":
        return "_arm"
    return "" if site.avx512 else "_noavx"


def reference(stack: Stack, site: VaccSite, tag: str = "") -> str:
    """Return the docker image of ``stack`` on this host; a custom tag stays unchanged.

    Raises:
        ValueError: the image is in a registry, and the host has no registry address.
    """
    image = image_of(stack)
    if image.build:
        return image.reference(site.registry)  # built on this host for its processor
    return image.reference(site.registry, tag=tag or f"{image.tag}{variant(site)}")


def build_plan(stack: Stack, site: VaccSite, wanted: Building) -> Plan:
    """Clone vLLM, build its CPU image, build the vendor's image on it, inspect the result."""
    base, vacc = image_of(stack).build
    sources = site.at("vllm")
    clone, files = _clone(base, site, wanted)
    return Plan(
        kind=KIND,
        steps=(
            clone,
            Step("checkout", ("git", "checkout", base.checkout), cwd=sources),
            Step("build-base", _build_base(base, site, wanted), cwd=sources),
            Step("build-vacc", _build_vacc(vacc, wanted), cwd=literal(wanted.folder)),
            _inspect(site, vacc.image),
        ),
        files=(*files, script("inspect_image.py")),
        outputs=(Output("image", "image.json"),),
        writes=(f"{site.workspace}/vllm",),
        checks=(
            Check("docker"),
            Check("tool", (("name", "git"), ("version", ""))),
            _room(),
            Check(
                "path",
                (
                    ("path", f"{literal(wanted.folder)}/{vacc.file}"),
                    (
                        "what",
                        _("vendor's Dockerfile, from the guide's folder docker"),
                    ),
                ),
            ),
        ),
    )


def pull_plan(image: str, site: VaccSite, *, user: str = "", password: str = "") -> Plan:
    """Pull and inspect the image.

    ``password``: name of the secret with the registry's password for ``user``; "": no login.
    """
    pull = Step("pull", ("docker", "pull", literal(image)))
    files: tuple[PlanFile, ...] = (script("inspect_image.py"),)
    if password:
        pull = _login_and_pull(image, site, user, password)
        files = (script("pull_image.py"), *files)
    return Plan(
        kind=KIND,
        steps=(pull, _inspect(site, image)),
        files=files,
        outputs=(Output("image", "image.json"),),
        checks=(Check("docker"), _room()),
    )


def _login_and_pull(image: str, site: VaccSite, user: str, password: str) -> Step:
    program = (site.python_word, f"{FILES}/pull_image.py")
    return Step(
        "pull",
        (*program, literal(image), "--user", literal(user)),
        env=(
            ("REGISTRY_ADDRESS", literal(f"https://{site.registry}")),
            ("REGISTRY_PASSWORD", f"{{secret:{password}}}"),
        ),
        cleanup=(*program, "--clean"),
    )


def _clone(base: Build, site: VaccSite, wanted: Building) -> tuple[Step, tuple[PlanFile, ...]]:
    """Return the clone step: as printed, or with a script that accepts an existing clone."""
    if wanted.exact:
        return Step("clone", ("git", "clone", base.repository), cwd=site.at()), ()
    argv = (
        *(site.python_word, f"{FILES}/clone_or_fetch.py"),
        *(literal(wanted.repository), site.at("vllm"), "--ref", base.checkout),
    )
    return Step("clone", argv, cwd=site.at()), (script("clone_or_fetch.py"),)


def _build_base(base: Build, site: VaccSite, wanted: Building) -> tuple[str, ...]:
    processor = "" if wanted.exact else variant(site)
    file = ARM_FILE if processor == "_arm" else base.file
    more = NO_AVX512 if processor == "_noavx" else ()
    argv = ("docker", "build", "-f", file, "-t", base.image, f"--shm-size={base.shm_size}")
    return (*argv, *more, ".", *_cache(wanted))


def _build_vacc(vacc: Build, wanted: Building) -> tuple[str, ...]:
    argv = ("docker", "build", "-t", vacc.image, "-f", vacc.file, f"--shm-size={vacc.shm_size}")
    return (*argv, ".", *_cache(wanted))


def _cache(wanted: Building) -> tuple[str, ...]:
    return ("--no-cache",) if wanted.exact or wanted.no_cache else ()


def _inspect(site: VaccSite, image: str) -> Step:
    argv = (site.python_word, f"{FILES}/inspect_image.py", literal(image))
    return Step("inspect", argv)


def _room() -> Check:
    """Return a check of free space for the layers; an estimate, so it can be confirmed."""
    args = (("path", DOCKER_ROOT), ("bytes", str(ROOM_BYTES)))
    return Check("disk", args, asks=True)
