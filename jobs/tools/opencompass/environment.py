"""OpenCompass in a conda environment from sources, like in the guide."""

import hashlib
from dataclasses import dataclass

from django.utils.translation import pgettext_lazy

from jobs.catalog.stacks import Evaluation
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, check, script, tool_check
from jobs.tools.vacc.images import clone_step
from jobs.tools.vacc.site import VaccSite

PROGRAMS = ("conda", "git", "pip", "python", "python3")
STEPS = {"install-modelscope": pgettext_lazy("step", "install ModelScope")}
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
    return f"{site.conda}/envs/{NAME}"


def fingerprint(tools: Evaluation) -> str:
    text = f"{tools.opencompass_checkout}\n{tools.opencompass_python}\n{CONSTRAINTS}"
    return hashlib.sha256(text.encode()).hexdigest()


def prepare_plan(tools: Evaluation, site: VaccSite, wanted: Installing) -> Plan:
    checkout, inside = site.at("opencompass"), (literal(f"{folder(site)}/bin"),)
    python, verify = literal(f"{folder(site)}/bin/python"), script("verify_environment.py")
    # -y, because it runs unattended: conda would recreate an existing environment.
    version = f"python={tools.opencompass_python}"
    create: tuple[str, ...] = ("conda", "create", "-n", NAME, version, "-y")
    index, pip = INDEX if wanted.exact else wanted.index, ("pip", "install")
    install = (*pip, "-e", EXTRA, *(("-i", literal(index)) if index else ()))
    files: tuple[PlanFile, ...] = ()
    if not wanted.exact:
        create = (site.python_word, f"{FILES}/unless_there.py", python, *create)
        install = (*install, "-c", f"{FILES}/{_CONSTRAINTS_FILE}")
        files = (PlanFile(_CONSTRAINTS_FILE, CONSTRAINTS),)
    clone, clones = clone_step(
        *(tools.opencompass_repository, wanted.repository, "opencompass"),
        *(tools.opencompass_checkout, site),
        exact=wanted.exact,
    )
    more = (Step("install-modelscope", (*pip, "ModelScope"), path=inside),)
    return Plan(
        kind=KIND,
        steps=(
            Step("create", create, path=(literal(f"{site.conda}/bin"),)),
            clone,
            Step("checkout", ("git", "checkout", tools.opencompass_checkout), cwd=checkout),
            Step("install", install, cwd=checkout, path=inside),
            *(more if wanted.modelscope else ()),
            Step("verify", (python, f"{FILES}/{verify.name}", NAME, NAME)),
        ),
        files=(verify, *(() if wanted.exact else (script("unless_there.py"),)), *clones, *files),
        outputs=(Output("versions", "versions.json"),),
        writes=(f"{site.workspace}/opencompass",),
        checks=(
            *(Check("conda"), tool_check("git")),
            check("disk", path=literal(site.conda), bytes=str(10**10)),
        ),
    )
