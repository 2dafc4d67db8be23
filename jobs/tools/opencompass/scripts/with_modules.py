"""Run a Python program whose processes find the modules beside this file: with_modules.py FILE …

Plans set no PYTHONPATH: hosts refuse it, because it may name any folder.
"""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
