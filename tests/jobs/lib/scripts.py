"""The scripts of all tools in one folder, as a job has those that it needs."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from jobs.tools.lib.site import TOOLS
from tests.waiting import PATIENCE_S

SCRIPTS = Path(tempfile.mkdtemp(prefix="scripts-"))
atexit.register(shutil.rmtree, SCRIPTS, ignore_errors=True)
for _path in TOOLS.glob("*/scripts/*.*"):
    shutil.copy(_path, SCRIPTS)


def run_script(
    name: str, *args: object, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as a process of its own."""
    return subprocess.run(
        [sys.executable, str(SCRIPTS / name), *map(str, args)],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
