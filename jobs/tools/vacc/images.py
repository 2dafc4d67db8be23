"""Docker images for VACC hosts: built like the guide's, or pulled."""

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog.stacks import Image, Stack
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, check, script, secret, tool_check
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
# Rough size of two images with torch and build tools.
_ROOM = {"path": "/var/lib/docker", "bytes": str(40 * 10**9)}


def image_of(stack: Stack) -> Image:
    image = stack.vllm.image
    if image is None:
        raise ValueError(f"the stack {stack.id} has no image")
    return image


def variant(site: VaccSite) -> str:
    if site.arch == "aarch64":
        return "_arm"
    return "" if site.avx512 else "_noavx"


def reference(stack: Stack, site: VaccSite, tag: str = "") -> str:
    """Raise ValueError where the image is in a registry, and the host has no registry address."""
    image = image_of(stack)
    if image.build:
        return image.reference(site.registry)  # built on this host for its processor
    return image.reference(site.registry, tag=tag or f"{image.tag}{variant(site)}")


def clone_step(
    printed: str, repository: str, folder: str, ref: str, site: VaccSite, *, exact: bool
) -> tuple[Step, tuple[PlanFile, ...]]:
    """Return the step that clones a repository to ``folder`` of the workspace, and its files: as
    printed, or with a script that accepts an existing clone."""
    if exact:
        return Step("clone", ("git", "clone", printed), cwd=site.at()), ()
    program = (site.python_word, f"{FILES}/clone_or_fetch.py")
    argv = (*program, literal(repository), site.at(folder), "--ref", ref)
    return Step("clone", argv, cwd=site.at()), (script("clone_or_fetch.py"),)


def build_plan(
    stack: Stack, site: VaccSite, *, repository: str, folder: str, no_cache: bool, exact: bool
) -> Plan:
    """``folder`` has the vendor's Dockerfile."""
    (base, vacc), sources = image_of(stack).build, site.at("vllm")
    clone, files = clone_step(base.repository, repository, "vllm", base.checkout, site, exact=exact)
    processor = "" if exact else variant(site)
    build, cache = ("docker", "build"), ("--no-cache",) if exact or no_cache else ()
    build_base = (
        *(*build, "-f", ARM_FILE if processor == "_arm" else base.file, "-t", base.image),
        *(f"--shm-size={base.shm_size}", *(NO_AVX512 if processor == "_noavx" else ()), "."),
    )
    build_vacc = (*build, "-t", vacc.image, "-f", vacc.file, f"--shm-size={vacc.shm_size}", ".")
    folder, what = literal(folder), _("vendor's Dockerfile, from the guide's folder docker")
    return Plan(
        kind=KIND,
        steps=(
            clone,
            Step("checkout", ("git", "checkout", base.checkout), cwd=sources),
            Step("build-base", (*build_base, *cache), cwd=sources),
            Step("build-vacc", (*build_vacc, *cache), cwd=folder),
            _inspect(site, vacc.image),
        ),
        files=(*files, script("inspect_image.py")),
        outputs=(Output("image", "image.json"),),
        writes=(f"{site.workspace}/vllm",),
        checks=(
            *(Check("docker"), tool_check("git"), check("disk", asks=True, **_ROOM)),
            check("path", path=f"{folder}/{vacc.file}", what=what),
        ),
    )


def pull_plan(image: str, site: VaccSite, *, user: str = "", password: str = "") -> Plan:
    """``password``: name of the secret with the registry's password for ``user``; "": no login."""
    pull = Step("pull", ("docker", "pull", literal(image)))
    files: tuple[PlanFile, ...] = (script("inspect_image.py"),)
    if password:
        program = (site.python_word, f"{FILES}/pull_image.py")
        address = ("REGISTRY_ADDRESS", literal(f"https://{site.registry}"))
        pull = Step(
            "pull",
            (*program, literal(image), "--user", literal(user)),
            env=(address, *secret("REGISTRY_PASSWORD", password)),
            cleanup=(*program, "--clean"),
        )
        files = (script("pull_image.py"), *files)
    return Plan(
        kind=KIND,
        steps=(pull, _inspect(site, image)),
        files=files,
        outputs=(Output("image", "image.json"),),
        checks=(Check("docker"), check("disk", asks=True, **_ROOM)),
    )


def _inspect(site: VaccSite, image: str) -> Step:
    return Step("inspect", (site.python_word, f"{FILES}/inspect_image.py", literal(image)))
