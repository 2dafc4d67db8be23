"""Modules import only what stands below them (docs/architecture.md), and stay small."""

import ast
import re
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Lowest first, as in docs/architecture.md.
LAYERS = [
    {"jobs.errors", "jobs.units", "jobs.messages", "jobs.metrics", "jobs.catalog"},
    {"jobs.plans", "jobs.parsers", "jobs.toolchains"},
    {"jobs.kinds"},
    {"jobs.models"},
    {"jobs.logstore", "jobs.hints", "jobs.hostqueue"},
    {"jobs.queries", "jobs.services"},
    {"jobs.inference", "jobs.sse", "jobs.reasoning"},
    {"jobs.dispatch"},
    {"jobs.launch"},
    {"jobs.ways", "jobs.successors", "jobs.pipelines"},
    {"dashboard"},
]
RANK = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}
OUTSIDE = {"jobs", "jobs.apps", "jobs.migrations", "jobs.host"}
HOST_MAY = {"jobs.errors", "jobs.plans", "jobs.host"}

FILES = sorted(path for app in ("jobs", "dashboard") for path in (ROOT / app).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def unit_of(module: str) -> str:
    return "dashboard" if module.split(".")[0] == "dashboard" else ".".join(module.split(".")[:2])


def imported(tree: ast.AST) -> set[str]:
    """Modules that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@cache
def our_own(path: Path) -> set[str]:
    return {name for name in imported(tree(path)) if name.split(".")[0] in ("jobs", "dashboard")}


def imports(wrong):
    """``(file, module)`` of each import of ours for which ``wrong(its own unit, that unit)``."""
    return [
        (shown(path), name)
        for path in FILES
        for name in our_own(path)
        if wrong(unit_of(module_of(path)), unit_of(name))
    ]


def test_every_module_has_its_place():
    units = {unit_of(module_of(path)) for path in FILES}

    assert units - OUTSIDE - set(RANK) == set(), "they need one in docs/architecture.md, and here"


def test_imports_point_downwards():
    def is_upwards(here, used):
        return not {here, used} & OUTSIDE and RANK[used] > RANK[here]

    assert imports(is_upwards) == []


def test_a_host_imports_only_errors_plans_and_itself():
    assert imports(lambda here, used: here == "jobs.host" and used not in HOST_MAY) == []


def test_nothing_of_jobs_but_the_host_imports_the_host():
    # The dashboard starts the host of This computer with its own.
    may = ("jobs.host", "dashboard")

    assert imports(lambda here, used: used == "jobs.host" and here not in may) == []


def test_a_host_needs_only_what_its_requirements_name():
    text = (ROOT / "requirements-host.txt").read_text()
    pinned = set(re.findall(r"^([a-z0-9_]+)==", text, re.MULTILINE))
    host_files = [path for name, path in MODULES.items() if unit_of(name) in HOST_MAY]

    used = {name.split(".")[0] for path in host_files for name in imported(tree(path))}

    assert used - pinned - set(sys.stdlib_module_names) <= {"jobs"}


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        name: {other for other in our_own(path) if other in MODULES and other != name}
        for name, path in MODULES.items()
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@cache
def functions():
    """``(file, function)`` for all of ours."""
    return [
        (path, node)
        for path in [*FILES, *TESTS]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_an_import_in_a_function_has_its_reason():
    bare = []
    for path, function in functions():
        found = [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
        if not found:
            continue
        lines = path.read_text().splitlines()
        marks = [re.search(r"# noqa: PLC0415( -- \S+)?", lines[n.lineno - 1]) for n in found]
        # One reason holds for the imports below it in the same function.
        if not all(marks) or not any(mark and mark[1] for mark in marks):
            bare.append((shown(path), function.name))

    assert bare == []


def test_functions_are_short():
    long = {
        f"{shown(path)}: {function.name}": function.end_lineno - function.lineno + 1
        for path, function in functions()
        if function.end_lineno - function.lineno + 1 > LINES_OF_A_FUNCTION
    }

    assert long == {}


def test_files_are_short():
    pages = (("static/js", "*.js"), ("static/css", "*.css"), ("templates", "*.html"))
    others = [path for folder, pattern in pages for path in (ROOT / folder).rglob(pattern)]
    lengths = {
        shown(path): len(path.read_text().splitlines()) for path in [*FILES, *TESTS, *others]
    }

    assert {path: lines for path, lines in lengths.items() if lines > LINES_OF_A_FILE} == {}


def test_the_order_is_the_one_that_is_written_down():
    text = (ROOT / "docs/architecture.md").read_text()
    written = re.findall(r"^([a-z, ]+)$", text.split("```")[1], re.MULTILINE)

    assert [{name.strip() for name in line.split(",")} for line in written[: len(LAYERS)]] == [
        {unit.removeprefix("jobs.") for unit in layer} for layer in LAYERS
    ]
