"""Modules import only what stands below them (docs/architecture.md), and stay small."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module, metadata
from pathlib import Path

import pytest

from tests.rooms import (
    BOUNDED,
    COMMANDS,
    CONFINED,
    DJANGO,
    PARSED,
    PARSED_OWN,
    ROOMS,
    UNORDERED,
    docstring,
    is_confined,
    room_of,
    tree,
    written,
)

ROOT = Path(__file__).parent.parent

HOST_MAY = (
    *("jobs.base.errors", "jobs.base.files", "jobs.base.valkey", "jobs.plans", "jobs.host"),
    *("jobs.base.numbers", "jobs.tools.lib.growing", "jobs.reasoning"),
)

FILES = sorted(path for app in ("jobs", "dashboard") for path in (ROOT / app).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PARSES_JSON = re.compile(r"\bjson\.loads?\b|validate_json\b|pydantic_core import .*\bfrom_json")
LINES_OF_A_FILE = 800
LINES_OF_A_FUNCTION = 60
MODULES_OF_A_FOLDER = 40
# A class has its name alone. These are records and their schemas in the API's document.
OF_ONE_NAME = {"LimitRun", "Output", "SetScore"}
OF_ANY_LENGTH = {"dashboard/management/commands"}  # Django finds commands in one folder


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def ranks(package: str) -> dict[str, int]:
    return {room: rank for rank, layer in enumerate(ROOMS[package]) for room in layer}


@dataclass(frozen=True)
class Function:
    """A function in a file: its number of lines, and the lines on which it imports."""

    path: Path
    name: str
    lines: int
    imports: tuple[int, ...]


@dataclass(frozen=True)
class Content:
    """Facts of a file. Syntax trees of all files would take 320 MB."""

    modules: frozenset[str]
    functions: tuple[Function, ...]
    parses_json: bool


@cache
def content(path: Path) -> Content:
    text = path.read_text()
    tree = ast.parse(text)
    functions = (
        Function(path, node.name, node.end_lineno - node.lineno + 1, tuple(import_lines(node)))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    parses_json = PARSES_JSON.search(text) is not None
    return Content(frozenset(modules_in(tree)), tuple(functions), parses_json)


def import_lines(tree: ast.AST) -> list[int]:
    return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]


def imported(path: Path) -> frozenset[str]:
    """Modules that a file imports, wherever in the file it does so."""
    return content(path).modules


def modules_in(tree: ast.AST) -> set[str]:
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules


@cache
def our_own(path: Path) -> set[str]:
    return {name for name in imported(path) if name.split(".")[0] in ("jobs", "dashboard")}


def rooms_used(package: str) -> Iterator[tuple[Path, str, set[str]]]:
    """Files within a package, their room, and other rooms that they import."""
    free = {"", *UNORDERED.get(package, ())}
    for path in FILES:
        here = room_of(module_of(path), package)
        if not is_within(module_of(path), package) or here in free:
            continue  # a package's own file may import all its rooms
        used = {room_of(name, package) for name in our_own(path) if is_within(name, package)}
        yield path, here, used - free - {here}


def upwards(package: str) -> list[str]:
    """Imports within a package of a room that stands higher."""
    rank = ranks(package)
    return [
        f"{shown(path)} ({here}) imports {room}"
        for path, here, used in rooms_used(package)
        for room in used
        if rank.get(room, 0) > rank.get(here, 0)
    ]


def test_every_module_has_a_room():
    homeless = {
        package: {room_of(name, package) for name in MODULES if is_within(name, package)}
        - {"", *ranks(package), *UNORDERED.get(package, set())}
        for package in ROOMS
    }

    assert {package: rooms for package, rooms in homeless.items() if rooms} == {}, (
        f"they need a place in tests/rooms.py\n\n{tree()}"
    )


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_downwards(package):
    wrong = upwards(package)

    assert not wrong, "\n".join([*wrong, "", "Lowest first:", tree()])


@pytest.mark.parametrize("package", ROOMS)
def test_no_rooms_import_each_other_in_a_circle(package):
    graph: dict[str, set[str]] = {}
    for _path, here, used in rooms_used(package):
        graph.setdefault(here, set()).update(used)

    check_no_circle(graph)


def test_jobs_never_imports_dashboard():
    imports = [
        (shown(path), name)
        for path in FILES
        for name in our_own(path)
        if is_within(module_of(path), "jobs") and is_within(name, "dashboard")
    ]

    assert imports == []


def among(module: str, rooms: tuple[str, ...]) -> bool:
    return any(is_within(module, room) for room in rooms)


def test_the_web_process_imports_no_reader_of_a_stranger_s_bytes():
    imports = [
        (module, name)
        for module, path in MODULES.items()
        if not (is_confined(module) or is_within(module, COMMANDS))
        for name in our_own(path)
        if is_confined(name)
    ]

    assert imports == [], "call them by a Task of jobs.confined"
    assert all(any(is_within(module, room) for module in MODULES) for room in CONFINED)


def test_a_stranger_s_text_is_matched_by_re2_only():
    readers = [name for name in MODULES if is_confined(name) or among(name, BOUNDED)]

    assert [name for name in readers if "re" in imported(MODULES[name])] == []
    assert set(BOUNDED) <= set(readers)


def test_the_web_process_parses_json_of_strangers_within_a_bound_only():
    elsewhere = (COMMANDS, "jobs.host")  # and what hosts start or read with

    parsers = {
        name
        for name, path in MODULES.items()
        if content(path).parses_json
        and not (is_confined(name) or among(name, elsewhere))
        and not (".scripts." in name or name.endswith(".host_reader"))
    }

    assert parsers == PARSED.keys() | PARSED_OWN
    for module, _, name in (bound.rpartition(".") for bound in PARSED.values()):
        assert 0 < getattr(import_module(module), name) <= 4 * 2**20, name


def test_only_django_s_own_modules_are_flat_in_dashboard():
    assert {path.stem for path in (ROOT / "dashboard").glob("*.py")} == {"__init__", *DJANGO}


def test_no_folder_has_too_many_modules():
    modules = [path for path in [*FILES, *TESTS] if path.stem not in ("__init__", "conftest")]
    counts = Counter(shown(path.parent) for path in modules)
    long = {folder: count for folder, count in counts.items() if count > MODULES_OF_A_FOLDER}

    assert set(long) - OF_ANY_LENGTH == set(), long


def packages() -> list[str]:
    names = [name for name, path in MODULES.items() if path.stem == "__init__"]
    return [name for name in names if name != "jobs.migrations"]


@pytest.mark.parametrize("package", packages())
def test_a_package_says_what_belongs_in_it(package):
    what, here, not_here, *_more = docstring(package)

    assert what.endswith("."), what
    assert len(what) <= 78, "its line of the tree"
    assert here.startswith("Here: "), here
    assert not_here.startswith("Not here: "), not_here


def test_the_tree_of_the_docs_is_that_of_the_docstrings():
    assert written() == tree(), "python -m tests.rooms writes it anew"


def test_no_two_public_classes_have_one_name():
    # A script of a tool is a program of its own; Django names the class of a command.
    modules = [path for path in FILES if not {"scripts", "migrations", "commands"} & {*path.parts}]
    names = Counter(
        node.name
        for path in modules
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert {name for name, count in names.items() if count > 1} == OF_ONE_NAME


def test_a_host_imports_only_errors_plans_addresses_and_itself():
    imports = [
        (shown(path), name)
        for path in FILES
        for name in our_own(path)
        if is_within(module_of(path), "jobs.host")
        and not (name.endswith(".host_reader") or any(is_within(name, unit) for unit in HOST_MAY))
    ]

    assert imports == []


def test_nothing_of_jobs_but_the_host_imports_the_host():
    # The dashboard starts the host of This computer with its own.
    may = ("jobs.host", "dashboard")
    imports = [
        (shown(path), name)
        for path in FILES
        for name in our_own(path)
        if is_within(name, "jobs.host")
        and not any(is_within(module_of(path), unit) for unit in may)
    ]

    assert imports == []


def pins(name: str) -> dict[str, str]:
    """Pins of a requirements file: distribution -> version."""
    lines = (ROOT / name).read_text().splitlines()
    matches = (re.match(r"([A-Za-z0-9_-]+)(?:\[\w+\])?==([^ ]+)( ;.*)?$", line) for line in lines)
    return {one[1].lower(): one[2] for one in matches if one}


def test_a_host_has_the_same_versions_as_the_dashboard():
    assert pins("requirements-host.txt").items() <= pins("requirements.txt").items()


def test_each_line_of_the_requirements_pins_a_version():
    for name in ("requirements-host.txt", "requirements.txt"):
        lines = (ROOT / name).read_text().splitlines()
        assert len(pins(name)) == sum(not line.startswith("#") for line in lines), name


def test_every_imported_package_is_in_the_requirements():
    of_module = metadata.packages_distributions()
    of_module["pydantic_core"] = ["pydantic"]  # which pins it
    # Babel is for `manage.py translations`, which developers run.
    named = {*pins("requirements.txt"), "babel"}
    # Scripts of plans run in environments of their own.
    files = [p for p in FILES if p.parent.name != "scripts"]

    used = {name.split(".")[0] for path in files for name in imported(path)}
    others = used - {"jobs", "dashboard"} - set(sys.stdlib_module_names)

    missing = {m for m in others if not {d.lower() for d in of_module.get(m, ())} & named}
    assert missing == set()


def test_a_launcher_needs_the_standard_library_alone():
    reached, next_ones = set(), {"jobs.host.run.launcher"}
    while next_ones:
        reached |= next_ones
        next_ones = {n for m in next_ones if m in MODULES for n in imported(MODULES[m])}
        next_ones -= reached

    others = {name.split(".")[0] for name in reached} - set(sys.stdlib_module_names)

    assert others == {"jobs"}


def test_a_host_needs_only_what_its_requirements_name():
    of_module, pinned = metadata.packages_distributions(), set(pins("requirements-host.txt"))
    host_files = [
        path for name, path in MODULES.items() if any(is_within(name, unit) for unit in HOST_MAY)
    ]

    used = {name.split(".")[0] for path in host_files for name in imported(path)}

    others = used - {"jobs"} - set(sys.stdlib_module_names)
    assert {m for m in others if not {d.lower() for d in of_module.get(m, ())} & pinned} == set()


def test_no_test_module_imports_another():
    imports = [
        (shown(path), name)
        for path in TESTS
        for name in imported(path)
        if ".test_" in name and name.startswith("tests.")
    ]

    assert imports == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        name: {other for other in our_own(path) if other in MODULES and other != name}
        for name, path in MODULES.items()
    }
    check_no_circle(graph)


def check_no_circle(graph: Mapping[str, Collection[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def functions() -> list[Function]:
    return [function for path in [*FILES, *TESTS] for function in content(path).functions]


def test_an_import_in_a_function_has_its_reason():
    bare = []
    for function in functions():
        if not function.imports:
            continue
        lines = function.path.read_text().splitlines()
        marks = [re.search(r"# noqa: PLC0415( -- \S+)?", lines[n - 1]) for n in function.imports]
        # One reason holds for the imports below it in the same function.
        if not all(marks) or not any(mark and mark[1] for mark in marks):
            bare.append((shown(function.path), function.name))

    assert bare == []


def test_functions_are_short():
    long = {
        f"{shown(function.path)}: {function.name}": function.lines
        for function in functions()
        if function.lines > LINES_OF_A_FUNCTION
    }

    assert long == {}


def test_files_are_short():
    pages = (("static/js", "*.js"), ("static/css", "*.css"), ("templates", "*.html"))
    others = [path for folder, pattern in pages for path in (ROOT / folder).rglob(pattern)]
    lengths = {
        shown(path): len(path.read_text().splitlines())
        for path in [*FILES, *TESTS, *others]
        if path.parent.name != "migrations"  # makemigrations writes them
    }

    assert {path: lines for path, lines in lengths.items() if lines > LINES_OF_A_FILE} == {}


def test_a_module_starts_its_program_on_its_last_line():
    """What is defined below it does not exist while the program runs."""
    for path in FILES:
        for node in ast.parse(path.read_text()).body[:-1]:
            assert not (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)), path
