"""Import what tasks need: the first thing that the server process of workers does."""

import gc

from jobs.confined.worker import load

load()
gc.freeze()  # shared with each worker, as long as nobody writes to it
