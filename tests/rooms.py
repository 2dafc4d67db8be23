"""The rooms of the program and their order; ``python -m tests.rooms`` draws them in the docs.

A room is a package, or a module next to packages. The order gives the imports that are allowed: a
room imports those above it in a list here, and those of its own line.
"""

import ast
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: python -m tests.rooms -->", "<!-- /rooms -->"
WIDTH = 100

# Modules of a tool that know kinds, which name them as texts: a room of their own, above kinds.
READINGS = "readings of tools"
_READINGS = ("reading", "imports")
# Modules of a tool that read a stranger's bytes.
_READERS = ("parser", *_READINGS)

# Lowest first.
ROOMS: dict[str, list[set[str]]] = {
    "jobs": [
        {"base"},
        {"plans"},
        {"catalog", "statistics", "reasoning"},
        {"metrics", "host_protocol"},
        {"tools"},
        {"kinds"},
        {READINGS},
        {"models", "readings"},
        {"access", "logstore", "notifications", "confined"},
        {"queries"},
        {"schedule"},
        {"services"},
        {"completions", "imports", "backup"},
        {"launch"},
    ],
    "jobs.kinds": [
        {"lib"},
        {
            *("prepare", "compile", "deploy", "benchmark", "evaluate"),
            *("benchmark_guidellm", "find_limit", "greedy_probe"),
        },
    ],
    "jobs.queries": [
        {
            *("chat", "chat_branches", "chat_hits", "engines", "gateway", "hosts", "sorting"),
            *("storage", "text_search"),
        },
        {"audit"},
        {"results"},
        {"answers"},
        {"jobs", "comparison", "catalogue"},
        {"fleet", "overview", "parity"},
        {"matrices"},
        {"matrices_compared"},
    ],
    "jobs.services": [
        {"chat", "hosts", "outputs"},
        {"intake"},
        {"outcomes"},
        {"imports"},
        {"import_storage"},
        {"upkeep"},
    ],
    "jobs.host": [
        {"base", "scoring"},
        {"probe"},
        {"data_set_cards"},
        {"checks"},
        {"run"},
        {"claim", "ship"},
        {"retain"},
        {"agent"},
    ],
    "dashboard": [
        {"config"},
        {"settings", "security"},
        {"text", "consumers"},
        {"charts", "server", "celery"},
        {"tasks"},
        {"middleware"},
        {"actions", "chat", "intake"},
        {"gateway"},
        {"pages"},
        {"context_processors", "templatetags"},
        {"reports"},
        {"api"},
        {"asgi", "management"},
        {"urls"},
    ],
    "dashboard.pages": [
        {"shared"},
        {"launch", "answers"},
        {"parity"},
        {"compare"},
        {"results", "admin", "hosts", "jobs"},
        {"home", "models", "serving", "account", "client"},
    ],
}
# Packages whose modules are rooms in the tree.
PLAIN = ("jobs", "jobs.host", "dashboard", "dashboard.pages")
# Of no order: Django's own files, and the host, which the dashboard starts but nothing else uses.
UNORDERED = {"jobs": {"apps", "migrations", "host"}}
# What people who know Django and Channels look for at the top; all else of dashboard/ has a room.
DJANGO = {
    *("settings", "urls", "asgi", "celery", "tasks", "middleware", "context_processors"),
    "consumers",
}

# Rooms that read a stranger's bytes: only confined workers and commands import them.
CONFINED = (
    *("jobs.tools.outputs", "jobs.readings", "jobs.imports", "jobs.services.import_storage"),
    *(f"jobs.services.outcomes.{name}" for name in ("answer_rows", "outcomes", "stored_results")),
    *("dashboard.actions.chat_import_task", "dashboard.actions.import_tasks"),
    "dashboard.pages.jobs.probe_tasks",
)
COMMANDS = "dashboard.management"
# Bounded texts of strangers that the web process reads itself: without Python's expressions, too.
BOUNDED = (
    *("jobs.completions", "jobs.reasoning"),
    *("jobs.queries.jobs.log_excerpts", "jobs.queries.overview"),
)
# Modules of the web process that parse JSON of strangers, with the number that bounds its length.
PARSED = {
    "dashboard.actions.chat_params": "dashboard.actions.chat_params.MOST_JSON",
    "dashboard.actions.chat_shares": "jobs.base.bounds.CHAT_PAGE_CHARS",
    "dashboard.actions.rows": "dashboard.actions.rows.MOST_BYTES",
    "dashboard.api.app": "django.conf.global_settings.DATA_UPLOAD_MAX_MEMORY_SIZE",
    "dashboard.chat.engines": "jobs.base.bounds.TOKENS_BYTES",
    "dashboard.consumers": "dashboard.consumers.LONGEST_PING",
    "dashboard.gateway.passing": "dashboard.gateway.passing.MOST_HELD",
    "dashboard.gateway.route": "dashboard.server.front.GATEWAY_BYTES",
    "dashboard.templatetags.playground": "dashboard.actions.chat_params.MOST_JSON",
    "dashboard.pages.shared.words": "dashboard.pages.shared.words.LONGEST_LIST",
    "jobs.catalog.modification": "jobs.catalog.modification._MOST_BYTES",
    "jobs.catalog.questions_file": "jobs.catalog.questions_file.MOST_BYTES",
    "jobs.catalog.schema": "jobs.catalog.schema.CONFIG_CHARACTERS",
    "jobs.completions": "jobs.base.bounds.READ_HERE_BYTES",
    "jobs.host_protocol": "jobs.base.bounds.CHUNK_BYTES",
}
# Those that parse what the dashboard wrote, to a file, a database, a pipe or Valkey.
PARSED_OWN = {
    *("dashboard.config.env", "dashboard.reports.writers"),
    *("jobs.access.secret_keys", "jobs.backup.manifest", "jobs.catalog.questions"),
    *("jobs.confined", "jobs.notifications", "jobs.services.imports"),
    *("jobs.queries.audit", "jobs.queries.catalogue", "jobs.schedule.capacity"),
    *("jobs.queries.results.curve", "jobs.queries.results.repeats"),
}


def room_of(module: str, package: str) -> str:
    """Return the part of ``package`` that a module is in; "" for the package's own file."""
    if package == "jobs" and is_reading(module):
        return READINGS
    return module.removeprefix(package).lstrip(".").partition(".")[0]


def is_reading(module: str) -> bool:
    """Return True for a module of ``jobs.tools`` that knows kinds."""
    return _is_of_tool(module, _READINGS)


def is_confined(module: str) -> bool:
    """Return True for a module that reads a stranger's bytes."""
    return _is_of_tool(module, _READERS) or any(
        module == room or module.startswith(f"{room}.") for room in CONFINED
    )


def _is_of_tool(module: str, ends: tuple[str, ...]) -> bool:
    return module.startswith("jobs.tools.") and module.endswith(ends)


def docstring(package: str) -> list[str]:
    """Docstring of a package or module: its lines, without empty ones."""
    place = ROOT / package.replace(".", "/")
    file = place / "__init__.py" if _is_package(package) else place.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return [line for line in text.splitlines() if line]


def tree() -> str:
    """Rooms as a text tree, lowest first; each line begins a docstring."""
    lines: list[str] = []
    for package in ("jobs", "dashboard"):
        lines += [_line(package, 0), *_rooms(package, 1)]
    return "\n".join(lines)


def _rooms(package: str, depth: int) -> list[str]:
    lines: list[str] = []
    layers = [*ROOMS[package], *([{"host"}] if package == "jobs" else [])]
    for layer in layers:
        for room in sorted(layer - {READINGS}):
            name = f"{package}.{room}"
            # Of the many files beside rooms, the tree has those that tie the rooms together.
            if not _is_package(name) and package not in PLAIN:
                continue
            lines.append(_line(name, depth))
            lines += _rooms(name, depth + 1) if name in ROOMS else _packages(name, depth + 1)
    return lines


def _packages(package: str, depth: int) -> list[str]:
    """Packages in a room that have no order among themselves."""
    folder = ROOT / package.replace(".", "/")
    packages = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    return [_line(f"{package}.{name}", depth) for name in packages]


def _is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/") / "__init__.py").exists()


def _line(name: str, depth: int) -> str:
    label = "  " * depth + name.rpartition(".")[2] + ("/" if _is_package(name) else "")
    # The first sentence, or what of it fits.
    summary = " ".join(docstring(name)[:2]).partition(". ")[0].rstrip(".")
    return f"{label:<22}" + textwrap.shorten(summary, WIDTH - 22, placeholder=" …")


def written() -> str:
    """The tree as the document has it."""
    part = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    return part.strip().removeprefix("```text").removesuffix("```").strip("\n")


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _old, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n```text\n{tree()}\n```\n\n{END}{after}")


if __name__ == "__main__":
    main()
