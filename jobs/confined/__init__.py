"""Confined tasks: readers of a stranger's bytes, in child processes with limits.
Here: tasks by name, the pool of their workers, limits and what exceeds them.
Not here: the readers themselves, which the web process never imports.
"""

from __future__ import annotations

from jobs.confined.pool import Busy, Exceeded, Failed, Pool, Task
from jobs.confined.worker import Limits

__all__ = ["Busy", "Exceeded", "Failed", "Limits", "Pool", "Task"]
