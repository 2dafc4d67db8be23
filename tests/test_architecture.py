"""Modules import only what stands below them (docs/architecture.md), and stay small."""

import ast
import re
import sys
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
    {"jobs.inference"},
    {"jobs.dispatch"},
    {"jobs.launch"},
    {"jobs.ways"},
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
TREES = {path: ast.parse(path.read_text()) for path in [*FILES, *TESTS]}


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


def our_own(path: Path) -> set[str]:
    return {name for name in imported(TREES[path]) if name.split(".")[0] in ("jobs", "dashboard")}


def by_name(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda p: str(p.relative_to(ROOT)))


@by_name(FILES)
def test_imports_point_downwards(path):
    here = unit_of(module_of(path))
    if here in OUTSIDE:
        return
    assert here in RANK, f"give {here} a place in LAYERS and in docs/architecture.md"

    used = {unit_of(name) for name in our_own(path)} - OUTSIDE

    assert {unit for unit in used if RANK[unit] > RANK[here]} == set()


@by_name(FILES)
def test_a_host_imports_only_errors_plans_and_itself(path):
    if unit_of(module_of(path)) == "jobs.host":
        assert {name for name in our_own(path) if unit_of(name) not in HOST_MAY} == set()


@by_name(FILES)
def test_nothing_of_jobs_but_the_host_imports_the_host(path):
    # The dashboard starts the host of This computer with its own.
    if unit_of(module_of(path)) not in ("jobs.host", "dashboard"):
        assert {name for name in our_own(path) if unit_of(name) == "jobs.host"} == set()


def test_a_host_needs_only_what_its_requirements_name():
    text = (ROOT / "requirements-host.txt").read_text()
    pinned = set(re.findall(r"^([a-z0-9_]+)==", text, re.MULTILINE))
    host_files = [path for name, path in MODULES.items() if unit_of(name) in HOST_MAY]

    used = {name.split(".")[0] for path in host_files for name in imported(TREES[path])}

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


@by_name([*FILES, *TESTS])
def test_an_import_in_a_function_has_its_reason(path):
    lines = path.read_text().splitlines()
    for function in ast.walk(TREES[path]):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        found = [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
        marks = [re.search(r"# noqa: PLC0415( -- \S+)?", lines[n.lineno - 1]) for n in found]

        assert all(marks), function.name
        # One reason holds for the imports below it in the same function.
        assert not marks or any(mark and mark[1] for mark in marks), function.name


@by_name([*FILES, *TESTS])
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= LINES_OF_A_FILE


@by_name([*FILES, *TESTS])
def test_functions_are_short(path):
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LINES_OF_A_FUNCTION
    }

    assert long == {}


SCRIPTS = sorted(
    path
    for folder, pattern in (("static/js", "*.js"), ("static/css", "*.css"), ("templates", "*.html"))
    for path in (ROOT / folder).rglob(pattern)
)


@by_name(SCRIPTS)
def test_scripts_styles_and_templates_are_short(path):
    assert len(path.read_text().splitlines()) <= LINES_OF_A_FILE


def test_the_order_is_the_one_that_is_written_down():
    text = (ROOT / "docs/architecture.md").read_text()
    written = re.findall(r"^    ([a-z, ]+)$", text, re.MULTILINE)

    assert [{name.strip() for name in line.split(",")} for line in written[: len(LAYERS)]] == [
        {unit.removeprefix("jobs.") for unit in layer} for layer in LAYERS
    ]
