"""The scripts of all tools in one folder, as a job has those that it needs."""

import atexit
import shutil
import tempfile
from pathlib import Path

from jobs.tools.lib.site import TOOLS

SCRIPTS = Path(tempfile.mkdtemp(prefix="scripts-"))
atexit.register(shutil.rmtree, SCRIPTS, ignore_errors=True)
for _path in TOOLS.glob("*/scripts/*.*"):
    shutil.copy(_path, SCRIPTS)
