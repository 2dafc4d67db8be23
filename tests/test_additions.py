"""A copy of the project in which something is added: what a new thing takes, and that it works."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import ROOT, clean_environment

pytestmark = pytest.mark.processes

PYTEST = ("-m", "pytest", "-p", "no:schemathesis")  # the plugin takes a second of a start
ADDED = ROOT / "tests" / "data" / "added"
CODE = ("jobs", "dashboard", "templates", "tests")
LINKED = ("static", "locale", "docs", "simulator", "CHANGELOG.md", "README.md", "tests/data")
# Of contacts: the file -> where it goes.
FILES = {
    "model.py": "jobs/models/contacts.py",
    "form.py": "dashboard/actions/contacts.py",
    "page.py": "dashboard/pages/admin/contacts.py",
    "api.py": "dashboard/api/contacts.py",
    "form.html": "templates/contacts/form.html",
    "list.html": "templates/contacts/list.html",
}
# A list -> the line that it has already, and the line that is added below.
LINES = {
    "jobs/models/__init__.py": [
        ("from jobs.models.results import Answer", "from jobs.models.contacts import Contact")
    ],
    "dashboard/urls.py": [
        ("from dashboard.pages import", "from dashboard.pages.admin import contacts"),
        ('    "audit/": [audit],', '    "contacts/": [contacts],'),
    ],
    "dashboard/api/app.py": [
        ("from dashboard.intake", "from dashboard.api import contacts"),
        ("    administration.audit_log,", "    contacts.operations,"),
    ],
    "dashboard/security/permissions.py": [
        (
            '    "audit.view"',
            '    "contact.view": Need.VIEWER,\n'
            '    "contact.add": Need.MEMBER,\n'
            '    "contact.change": Need.OWNER,',
        )
    ],
    "dashboard/text/audit.py": [
        (
            '    "prompts.add"',
            '    "contact.add": _("Contact added"),\n    "contact.change": _("Contact changed"),',
        )
    ],
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project, without its data."""
    folder = tmp_path_factory.mktemp("copy")
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=lambda where, _: skipped(where))
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for file in (*ROOT.glob("*.toml"), *ROOT.glob("*.txt"), ROOT / "manage.py"):
        shutil.copy(file, folder)
    return folder


def skipped(where: str) -> set[str]:
    return {"data"} if Path(where) == ROOT / "tests" else set()


def add_line(file: Path, below: str, added: str) -> None:
    """Put lines below the one that begins with ``below``."""
    lines = file.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(below))
    file.write_text("\n".join([*lines[: at + 1], *added.splitlines(), *lines[at + 1 :]]) + "\n")


def run(folder: Path, *command: str) -> str:
    environ = clean_environment() | {"DATA_DIR": str(folder / "data")}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_a_new_tool_is_one_folder_one_kind_and_one_name(copy):
    shutil.copytree(ADDED / "aiperf", copy / "jobs" / "tools" / "aiperf")
    shutil.copy(ADDED / "benchmark_aiperf.py", copy / "jobs" / "kinds")
    kinds = copy / "jobs" / "kinds" / "__init__.py"
    imported = "from jobs.kinds.benchmark_aiperf import BenchmarkAiperf"
    add_line(kinds, "from jobs.kinds.benchmark_guidellm", imported)
    add_line(kinds, "    BenchmarkGuidellm(),", "    BenchmarkAiperf(),")
    run(copy, "manage.py", "allowed_programs")

    shutil.copy(ADDED / "aiperf_checks.py", copy / "tests" / "test_benchmark_aiperf.py")
    run(copy, *PYTEST, "tests/test_benchmark_aiperf.py")

    assert '"aiperf"' in (copy / "jobs" / "host" / "claim" / "programs.py").read_text()


def test_a_new_row_of_a_team_with_page_api_and_audit_is_under_120_lines(copy):
    count = 0
    for file, place in FILES.items():
        (copy / place).parent.mkdir(exist_ok=True)
        shutil.copy(ADDED / "contacts" / file, copy / place)
        count += len((copy / place).read_text().splitlines())
    for name, additions in LINES.items():
        for below, added in additions:
            add_line(copy / name, below, added)
            count += len(added.splitlines())
    run(copy, "manage.py", "makemigrations", "jobs", "--name", "contacts")

    shutil.copy(ADDED / "contacts_checks.py", copy / "tests" / "test_contacts.py")
    run(copy, *PYTEST, "tests/test_contacts.py")

    assert count < 120
