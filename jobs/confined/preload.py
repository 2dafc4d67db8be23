"""Import what tasks need: the first thing that the server process of workers does."""

from __future__ import annotations

import gc

from jobs.confined.worker import load

load()
gc.freeze()  # shared with each worker, as long as nobody writes to it
