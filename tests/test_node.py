"""The pure modules of the pages, tried by Node where there is one; browser tests try them too."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))
# From this version on Node takes a .js file with imports for a module by itself.
OLDEST = (20, 19)


def node() -> str | None:
    """Path of a Node that is new enough."""
    program = shutil.which("node")
    if program is None:
        return None
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    version_match = re.match(r"v(\d+)\.(\d+)", version.stdout)
    return program if version_match and tuple(map(int, version_match.groups())) >= OLDEST else None


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_modules_of_the_pages_work_by_themselves(path):
    program = node()
    if program is None:
        pytest.skip("no Node 20.19 or newer on the PATH")
    done = subprocess.run([program, "--test", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_no_module_makes_an_address_from_its_own(root=Path(__file__).parent.parent / "static/js"):
    """In production files have other names, which only templates and imports have."""
    assert [path for path in root.rglob("*.js") if "import.meta.url" in path.read_text()] == []
