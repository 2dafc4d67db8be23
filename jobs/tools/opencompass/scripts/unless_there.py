"""Run a command unless what it makes is there already: unless_there.py PATH COMMAND [ARGUMENT ...]

Prints which of the two it is. Its exit code is the command's.
"""

import os
import sys
from pathlib import Path


def main():
    path, *command = sys.argv[1:]
    if Path(path).exists():
        print(f"{path} already exists: skipping {' '.join(command[:2])} …", flush=True)
        return
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
