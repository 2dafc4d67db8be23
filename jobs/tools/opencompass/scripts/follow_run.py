"""Run OpenCompass with the log of its task that asks in view, and score sets meanwhile:
follow_run.py FOLDER SETS COMMAND …

The tool itself shows one bar at 0/1 until every set was asked. A line ``[ 2/ 5] model/set`` stands
before the part of each set. The exit code is the tool's. Where COMMAND only asks (``-m infer``),
answered sets are scored meanwhile by ``COMMAND -m eval -r RUN``, for which the configuration takes
the sets named in SCORE_SETS; one process at a time. A set that fails is left to the last step.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BEGUN = re.compile(rb"Start inferencing \[([^\]]+)\]")
LOOK_S = 0.5
ASKS_ONLY = ["-m", "infer"]
SETS = "SCORE_SETS"


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


class Scorer:
    """Scores sets whose answers are complete, one process at a time."""

    def __init__(self, folder, command):
        self._folder, self._command = folder, command
        self._tried = set()
        self._child = self._output = None
        for path in folder.glob("*/results/*/*.json"):
            _remove_if_torn(path)

    def look(self):
        """Start a process for the sets that were answered since the last one, if it has ended."""
        if self._child is not None:
            if self._child.poll() is None:
                return
            self._end()
        run = max(self._folder.glob("*/predictions"), default=self._folder).parent
        answered = {
            path.stem
            for path in run.glob("predictions/*/*.json")
            if not path.name.startswith("tmp_")
            and not (run / "results" / path.parent.name / path.name).exists()
        }
        names = sorted(answered - self._tried)
        if names:
            self._tried.update(names)
            self._start(run, names)

    def _start(self, run, names):
        self._run, self._names = run, names
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 -- closed in _end
        self._child = subprocess.Popen(
            [*self._command, "-m", "eval", "-r", run.name],
            env=os.environ | {SETS: ",".join(names)},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def _end(self):
        scored = {path.stem for path in self._run.glob("results/*/*.json")}
        for name in self._names:
            print(f"Scored: {name}" if name in scored else f"Not scored yet: {name}", flush=True)
        if not scored.issuperset(self._names):
            self._output.seek(0)
            sys.stdout.buffer.write(self._output.read()[-4000:] + b"\n")
        self._output.close()
        self._child = None
        # Tables of these sets only; that of all is written by the step that scores all.
        for path in self._run.glob("summary/*"):
            path.unlink()

    def wait(self):
        if self._child is not None:
            self._child.wait()
            self._end()

    def terminate(self):
        if self._child is not None:
            self._child.terminate()


def _remove_if_torn(path):
    """Remove a score that a kill cut off: the tool would take it for complete."""
    try:
        json.loads(path.read_bytes())
    except ValueError:
        with contextlib.suppress(OSError):
            path.unlink()


def main():
    folder, sets, *command = sys.argv[1:]
    follower = Follower(Path(folder), int(sets), sys.stdout.buffer)
    asks_only = any(command[at : at + 2] == ASKS_ONLY for at in range(len(command)))
    scorer = Scorer(Path(folder), command) if asks_only else None
    # Its configuration may import modules beside this file. Plans set no PYTHONPATH: hosts refuse
    # it, because it may name any folder.
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    with subprocess.Popen(command) as child:

        def end(*_):
            child.terminate()
            if scorer:
                scorer.terminate()

        signal.signal(signal.SIGTERM, end)
        while child.poll() is None:
            follower.show()
            if scorer:
                scorer.look()
            time.sleep(LOOK_S)
        follower.show()
        if scorer:
            scorer.wait()
    return 128 - child.returncode if child.returncode < 0 else child.returncode


if __name__ == "__main__":
    sys.exit(main())
