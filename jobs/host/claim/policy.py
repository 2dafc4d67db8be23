"""Permitted programs and paths of plans: this host's settings decide, whatever the dashboard sends.

It looks at what a plan names: programs, working folders, files, and paths among arguments and in
environments. A word that only may be a path counts as one: what is refused in error can be
permitted by the host's settings, what is missed cannot be refused. What a permitted program does
with its arguments, such as a script or a command in a container, is that program's affair.
"""

import csv
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jobs.host import probe
from jobs.host.base.config import Config
from jobs.host.claim.programs import CLIENTS, PROGRAMS
from jobs.plans import SECRET, Plan, Step, fill, slots

# The script of a search of a limit: behind each "--" it has a command, which it runs for each load.
_SEARCH = "find_limit.py"
_FORBIDDEN_ENV = ("LD_", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV")

# Paths of an address, and a model's name, which may look like a path.
_OF_SERVERS = ("--endpoint", "--health", "--served-model-name")
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")
_FILE_ADDRESS = re.compile(r"\bfile:(?://[^/\s]*)?([^\s'\"]*)", re.I)
_GLUED = re.compile(r"-\w+=?((?:/|\.\.(?:/|$)).*)", re.S)
# A colon between two paths, but not the one of https://.
_BETWEEN_PATHS = re.compile(r":(?!//[^/])")

# Docker's options without a value, of itself and of run, create and exec: any other takes the
# next word, and what follows the last option is the image or the container.
_SWITCHES = frozenset({"--debug", "--help", "--tls", "--tlsverify", "--version"})
_RUN_SWITCHES = frozenset(
    {
        *("--detach", "--disable-content-trust", "--help", "--init", "--interactive"),
        *("--no-healthcheck", "--oom-kill-disable", "--privileged", "--publish-all", "--quiet"),
        *("--read-only", "--rm", "--sig-proxy", "--tty"),
    }
)
_GROUPS = ("builder", "buildx", "container", "image")
# Of what is built, or of the registry.
_OF_IMAGES = ("--annotation", "--build-arg", "--label", "--tag", "--target", "-t")
_DIE = re.compile(r"/dev/vacc\d+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Reason to refuse a plan: message id of the dashboard and arguments."""

    message_id: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """Names of programs, and folders; each path is looked at where it leads to, links followed."""

    allowed_programs: frozenset[str]
    allowed_paths: tuple[Path, ...]

    def refusal(self, plan: Plan, values: Mapping[str, str], work: Path) -> Refusal | None:
        """Return the first part of ``plan`` that this host does not permit. ``work`` is the folder
        of steps that name none."""
        # A secret stands in environments alone, and is no path.
        known = {name: "-" for name in slots(plan) if name.startswith(SECRET)}
        whole = plan if plan.filled else fill(plan, {**values, **known})
        for step in whole.steps:
            problem = self._step(step, Path(step.cwd) if step.cwd else work)
            if problem is not None:
                return problem
        for item in whole.files:
            if item.at and not self._permits(Path(item.at)):
                return self._outside(item.name, item.at, work)
        for watch in whole.watches:
            if watch.folder and not self._permits(work / watch.folder):
                return self._outside(watch.name, watch.folder, work)
        return None

    def _step(self, step: Step, cwd: Path) -> Refusal | None:
        commands = [*commands_of(step.argv), *filter(None, [step.cleanup])]
        for argv in commands:
            if not self._may_run(argv[0], cwd):
                return Refusal("policy:program", {"program": argv[0], "step": step.name})
        paths: list[str] = []
        for name, value in step.env:
            if name.startswith(_FORBIDDEN_ENV):
                return Refusal("policy:variable", {"variable": name, "step": step.name})
            paths += paths_of_variable(value)
        paths += [str(cwd), *step.path]
        for text in (*paths, *(path for argv in commands for path in paths_of_command(argv))):
            if not self._permits(cwd / text):
                return self._outside(step.name, text, cwd)
        return None

    def _may_run(self, program: str, cwd: Path) -> bool:
        """By its name, or by a path to one of that name in a folder of the host's own."""
        if "/" not in program:
            return program in self.allowed_programs
        path = cwd / program
        own = Path(sys.executable)
        if path.parent == own.parent and path.name in self.allowed_programs | {own.name}:
            return True
        # Its last part is followed no further: a virtual environment's python leads out of it.
        return path.name in self.allowed_programs and self._permits(path.parent)

    def _permits(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(root) for root in self.allowed_paths)

    def _outside(self, step: str, text: str, cwd: Path) -> Refusal:
        leads_to = os.path.realpath(cwd / text)
        return Refusal("policy:root", {"path": text, "leads_to": leads_to, "step": step})


def policy_of(config: Config) -> Policy:
    """Return what ``config`` permits; unset, what the kinds of job need in this host's folders."""
    own = [config.dir, config.workspace, config.modification_dir, config.wheels_dir]
    folders = [str(path) for path in (*own, probe.conda_prefix()) if path]
    paths = _expanded(config.allowed_paths, folders)
    return Policy(
        allowed_programs=frozenset(_expanded(config.allowed_programs, sorted(PROGRAMS))),
        allowed_paths=tuple(Path(os.path.realpath(path)) for path in paths),
    )


def _expanded(given: Sequence[str], default: Iterable[str]) -> Iterator[str]:
    for word in given or ("default",):
        yield from default if word == "default" else (word,)


def commands_of(argv: Sequence[str]) -> list[Sequence[str]]:
    """Return a command, and those that it runs if it is a search."""
    if _SEARCH not in map(_last, argv[:2]):
        return [argv]
    places = [place for place, word in enumerate(argv) if word == "--"]
    ends = zip([-1, *places], [*places, len(argv)], strict=True)
    return [argv[begin + 1 : end] for begin, end in ends if end > begin + 1]


def paths_of_variable(value: str) -> Iterator[str]:
    """It may be a list of paths."""
    yield from _of_file_addresses(value)
    yield from (part for part in _BETWEEN_PATHS.split(value) if part.startswith("/"))


def paths_of_command(argv: Sequence[str]) -> Iterator[str]:
    """Paths among arguments, without those inside a container's own command."""
    if argv and _last(argv[0]) == "docker":
        yield from _of_docker(argv[1:])
        return
    # The program, or the script that a python runs.
    asks = not CLIENTS.isdisjoint(map(_last, argv[:2]))
    exempt = (*_OF_SERVERS, "--model") if asks else _OF_SERVERS
    for before, word in pairwise(argv):
        option = word.partition("=")[0] if word.startswith("-") else before
        if option not in exempt:
            yield from _of_word(word)


def _of_word(word: str) -> Iterator[str]:
    """A word that is a path, or an option with one: ``--to=/x``, ``-o/x``, ``-xzf/x``."""
    yield from _of_file_addresses(word)
    values = [word]
    if word.startswith("-"):
        values = [word.partition("=")[2]]
        if not word.startswith("--"):
            values += [word[2:], *_GLUED.findall(word)]
    for value in values:
        if not _ADDRESS.match(value) and _is_path(value):
            yield value


def _of_file_addresses(text: str) -> Iterator[str]:
    for address in _FILE_ADDRESS.findall(text):
        # Some programs end the path where a query begins, some do not.
        for path in {unquote(address), unquote(re.split(r"[?#]", address)[0])}:
            if _is_path(path):
                yield path


def _of_docker(argv: Sequence[str]) -> Iterator[str]:
    """Mounts, devices and files that docker itself reads, and what is built or copied."""
    options, rest = _parsed(argv, _SWITCHES, "Dv")
    for _, value in options:
        yield from _of_word(value)
    verb, arguments = "".join(rest[:1]), rest[1:]
    if verb in _GROUPS:
        verb, arguments = "".join(rest[1:2]), rest[2:]
    if verb in ("run", "create", "exec") and rest[0] != "buildx":
        options, _ = _parsed(arguments, _RUN_SWITCHES, "diPqt")
        for option, value in options:
            yield from _of_run(option, value)
    elif verb == "cp":
        # As docker distinguishes CONTAINER:PATH from a host's path with a colon.
        own = (word for word in arguments if ":" not in word or word.startswith(("/", ".")))
        yield from filter(_is_path, own)
    else:
        yield from _of_other_verbs(arguments)


def _parsed(
    argv: Sequence[str], switches: frozenset[str], letters: str
) -> tuple[list[tuple[str, str]], Sequence[str]]:
    """The options that stand first, with their values, and the words after them. ``letters`` are
    the short options without a value; they may stand before one that has one: ``-itv/etc:/x``."""
    options, at = [], 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] not in ("-", "--"):
        option, given, value = argv[at].partition("=")
        at += 1
        if not option.startswith("--"):
            short = argv[at - 1][1:].lstrip(letters)
            option, given = f"-{short[:1]}", short[1:]
            value = given.removeprefix("=")
        if option == "-" or option in switches:
            continue
        if not given and at < len(argv) and not argv[at].startswith("-"):
            value = argv[at]
            at += 1
        options.append((option, value))
    return options, argv[at:]


def _of_run(option: str, value: str) -> Iterator[str]:
    if option in ("-v", "--volume"):
        yield value.partition(":")[0]
    elif option == "--mount":
        yield from _of_mount(value)
    elif option in ("--cidfile", "--env-file", "--label-file"):
        yield value
    elif option == "--device":
        device = value.partition(":")[0]
        if not _DIE.fullmatch(device):
            yield device
    elif option == "--security-opt":  # seccomp=FILE
        yield from filter(_is_path, re.split("[=:]", value))


def _of_mount(text: str) -> Iterator[str]:
    """Only of a bind the source is a path; a volume's may be its driver's device."""
    try:
        fields = [part.partition("=")[::2] for part in next(csv.reader([text]), [])]
    except csv.Error:  # docker does not take it either
        yield "/"
        return
    named = [(name.strip().lower(), value.strip()) for name, value in fields]
    binds = any(name == "type" and value.lower() == "bind" for name, value in named)
    for name, value in named:
        if binds and name in ("source", "src"):
            yield value
        elif name == "volume-opt":
            yield from filter(_is_path, [value.partition("=")[2]])


def _of_other_verbs(arguments: Sequence[str]) -> Iterator[str]:
    """build, load, save, compose: each word, and each part of ``type=local,dest=/x``."""
    for before, word in pairwise(("", *arguments)):
        option = word.partition("=")[0] if word.startswith("-") else before
        if option in _OF_IMAGES:
            continue
        yield from _of_word(word)
        if not _ADDRESS.match(word):
            yield from filter(_is_path, re.split('[=,"]', word))


def _is_path(word: str) -> bool:
    return word.startswith("/") or ".." in word.split("/")


def _last(word: str) -> str:
    return word.rpartition("/")[2]
