"""Confined tasks: readers of a stranger's bytes, in child processes with limits.
Here: tasks by name, the pool of their workers, limits and what exceeds them.
Not here: the readers themselves, which the web process never imports.
"""

from __future__ import annotations

from jobs.base.numbers import GB, MB
from jobs.confined.pool import Busy, Exceeded, Failed, NotDone, Pool, Task
from jobs.confined.worker import Limits

# For what takes a moment: a check, a pasted table.
SHORT = Pool(Limits(memory=GB, answer=16 * MB, cpu_s=20, wall_s=60.0), most=2)

__all__ = ["SHORT", "Busy", "Exceeded", "Failed", "Limits", "NotDone", "Pool", "Task"]
