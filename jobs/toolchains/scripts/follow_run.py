"""Run OpenCompass with the log of its task that asks in view: follow_run.py FOLDER SETS COMMAND …

The tool itself shows no more than one bar at 0/1 until every set was asked. A line
``[ 2/ 5] model/set`` stands before the part of each set. The exit code is the tool's.
"""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

BEGUN = re.compile(rb"Start inferencing \[([^\]]+)\]")
LOOK_S = 0.5


class Follower:
    """Follower of new content in a folder's logs."""

    def __init__(self, folder, sets, out):
        self._folder, self._sets, self._out = folder, sets, out
        self._offsets = {path: path.stat().st_size for path in self._logs()}
        self._begun = set()

    def _logs(self):
        return sorted(self._folder.glob("*/logs/infer/*/*.out"))

    def show(self):
        """Copy it, line by line; a line that is still being written comes with the next look."""
        for path in self._logs():
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                added = file.read()
            whole = max(added.rfind(b"\n"), added.rfind(b"\r")) + 1
            self._offsets[path] = self._offsets.get(path, 0) + whole
            for line in added[:whole].splitlines(keepends=True):
                self._say(line)
        self._out.flush()

    def _say(self, line):
        begun = BEGUN.search(line)
        if begun and begun[1] not in self._begun:
            self._begun.add(begun[1])
            number = f"[{len(self._begun):>4}/{self._sets:>4}] ".encode()
            self._out.write(number + begun[1] + b"\n")
        self._out.write(line)


def main():
    """Become the tool's parent; its exit code."""
    folder, sets, *command = sys.argv[1:]
    follower = Follower(Path(folder), int(sets), sys.stdout.buffer)
    with subprocess.Popen(command) as child:
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        while child.poll() is None:
            follower.show()
            time.sleep(LOOK_S)
        follower.show()
    return 128 - child.returncode if child.returncode < 0 else child.returncode


if __name__ == "__main__":
    sys.exit(main())
