"""Copy the folder of OpenCompass's run into this one: collect_run.py OUTPUTS LOG TO

Which run it was stands in the log of the job, for others may write to the same place meanwhile.
Without a log it is the newest.
"""

import re
import shutil
import sys
from pathlib import Path

FOLDER = re.compile(rb"Current exp folder: \S*?(\d{8}_\d{6})")
PARTS = ("summary", "results", "predictions", "logs")


def main():
    outputs, log, to = map(Path, sys.argv[1:])
    stamps = [stamp.decode() for stamp in FOLDER.findall(log.read_bytes())] if log.is_file() else []
    stamps = stamps or sorted(path.name for path in outputs.glob("[0-9]*_[0-9]*"))
    stamp = stamps[-1] if stamps else ""
    paths = [outputs / stamp / part for part in PARTS] if stamp else []
    there = [path for path in paths if path.is_dir()]
    for path in there:
        shutil.copytree(path, to / stamp / path.name, dirs_exist_ok=True)
    if not there:
        sys.exit(f"error: {outputs / stamp} holds nothing of a run")
    print(f"{outputs / stamp}: {', '.join(path.name for path in there)}")


if __name__ == "__main__":
    main()
