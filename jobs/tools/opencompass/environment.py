"""OpenCompass in a conda environment from sources, like in the guide."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.utils.translation import pgettext_lazy

from jobs.catalog.stacks import Evaluation
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, script
from jobs.tools.vacc.site import VaccSite

PROGRAMS = ("conda", "git", "pip", "python", "python3")
STEPS = {
    "install-modelscope": pgettext_lazy("step", "install ModelScope"),
}
KIND = "prepare-opencompass"
NAME = "opencompass"
# The deployment guide, Pytorch Deploy, step 4.1.
INDEX = "https://mirrors.aliyun.com/pypi/simple/"
EXTRA = ".[full]"
# Newer versions removed modules that OpenCompass 0.4.1 and 0.5.4 import.
CONSTRAINTS = "pyarrow<20\npandas<3\ndatasets<4\ntransformers<5\n"
_CONSTRAINTS_FILE = "constraints.txt"


@dataclass(frozen=True, slots=True)
class Installing:
    """Installation settings. ``index`` "": pip's own settings."""

    repository: str
    index: str
    modelscope: bool
    exact: bool


def folder(site: VaccSite) -> str:
    """Return the folder of the conda environment."""
    return f"{site.conda}/envs/{NAME}"


def fingerprint(tools: Evaluation) -> str:
    """Return the fingerprint of tag and constraints."""
    text = f"{tools.opencompass_checkout}\n{tools.opencompass_python}\n{CONSTRAINTS}"
    return hashlib.sha256(text.encode()).hexdigest()


def prepare_plan(tools: Evaluation, site: VaccSite, wanted: Installing) -> Plan:
    """Create the environment, clone, check out, install, check that modules import."""
    checkout, inside = site.at("opencompass"), (literal(f"{folder(site)}/bin"),)
    steps: tuple[Step, ...] = (
        _create(tools, site, exact=wanted.exact),
        _clone(tools, site, wanted),
        Step("checkout", ("git", "checkout", tools.opencompass_checkout), cwd=checkout),
        Step("install", _install(wanted), cwd=checkout, path=inside),
    )
    if wanted.modelscope:
        steps += (Step("install-modelscope", ("pip", "install", "ModelScope"), path=inside),)
    python = literal(f"{folder(site)}/bin/python")
    verify = Step("verify", (python, f"{FILES}/verify_environment.py", NAME, NAME))
    return Plan(
        kind=KIND,
        steps=(*steps, verify),
        files=_files(exact=wanted.exact),
        outputs=(Output("versions", "versions.json"),),
        writes=(f"{site.workspace}/opencompass",),
        checks=(
            Check("conda"),
            Check("tool", (("name", "git"), ("version", ""))),
            Check("disk", (("path", literal(site.conda)), ("bytes", str(10**10)))),
        ),
    )


def _create(tools: Evaluation, site: VaccSite, *, exact: bool) -> Step:
    """Return the create step with -y, because it runs unattended. With -y conda would recreate
    an existing environment."""
    argv: tuple[str, ...] = (
        "conda",
        "create",
        "-n",
        NAME,
        f"python={tools.opencompass_python}",
        "-y",
    )
    if not exact:
        there = literal(f"{folder(site)}/bin/python")
        argv = (site.python_word, f"{FILES}/unless_there.py", there, *argv)
    return Step("create", argv, path=(literal(f"{site.conda}/bin"),))


def _clone(tools: Evaluation, site: VaccSite, wanted: Installing) -> Step:
    if wanted.exact:
        return Step("clone", ("git", "clone", tools.opencompass_repository), cwd=site.at())
    argv = (
        *(site.python_word, f"{FILES}/clone_or_fetch.py", literal(wanted.repository)),
        *(site.at("opencompass"), "--ref", tools.opencompass_checkout),
    )
    return Step("clone", argv, cwd=site.at())


def _install(wanted: Installing) -> tuple[str, ...]:
    index = INDEX if wanted.exact else wanted.index
    held = () if wanted.exact else ("-c", f"{FILES}/{_CONSTRAINTS_FILE}")
    return ("pip", "install", "-e", EXTRA, *(("-i", literal(index)) if index else ()), *held)


def _files(*, exact: bool) -> tuple[PlanFile, ...]:
    check = script("verify_environment.py")
    if exact:
        return (check,)
    return (
        check,
        script("unless_there.py"),
        script("clone_or_fetch.py"),
        PlanFile(_CONSTRAINTS_FILE, CONSTRAINTS),
    )
