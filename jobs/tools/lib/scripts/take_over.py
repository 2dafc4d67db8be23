"""Take over the answers of an earlier job: take_over.py EARLIER FOLDER.

Copies the folder EARLIER of a stopped evaluation to FOLDER, from which the tool continues. A line
that the tool was writing when it was stopped is left out: the tool would append to it.
"""

import shutil
import sys
from pathlib import Path


def whole_lines(path):
    """Cut a JSON Lines file after its last whole line; its number of lines."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        path.write_bytes(content[:end])
    return content.count(b"\n", 0, end)


def main():
    earlier, folder = map(Path, sys.argv[1:])
    if not earlier.parent.is_dir():
        sys.exit(f"{earlier.parent} is gone: launch the evaluation from its start.")
    if not earlier.is_dir():
        print("The earlier job has no answers: all questions are sent.")
        return
    shutil.copytree(earlier, folder, dirs_exist_ok=True, symlinks=True)
    lines = {path: whole_lines(path) for path in sorted(folder.rglob("*.jsonl"))}
    answers = sum(count for path, count in lines.items() if "predictions" in path.parts)
    print(f"Taken over from {earlier}: {len(lines)} files of answers, {answers} lines.")


if __name__ == "__main__":
    main()
