"""Environment of a job's commands: the host's own, without secrets and worker internals."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jobs.plans import Step

# Every process of a job carries it, so that leftovers of a killed launcher can be found and ended.
MARK = "JOBS_SPOOL"
# The umask of commands, in octal digits: that of the person who started the dashboard. Its own
# processes have a closed one, but weights and environments are for containers of other users, too.
UMASK = "JOBS_UMASK"
SECRETS = frozenset(
    {"ADMIN_PASSWORD", "DATABASE_URL", "HOST_KEY", "REDIS_URL", "SECRET_KEY", "PGPASSWORD"}
)
CLEANUP_S = 60.0  # the longest that one command of a cleanup may take
# Variables that the worker's frameworks set for themselves; they would mislead a tool on the same.
_OURS = ("CELERY_", "DJANGO_", "FORKED_BY_MULTIPROCESSING", "_MP_FORK_")


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the dashboard's secrets and the worker's internals."""
    return {
        name: value
        for name, value in environ.items()
        if name not in SECRETS and not name.startswith(_OURS)
    }


def of_step(
    env: Iterable[tuple[str, str]], spool: Path, path: Sequence[str] = ()
) -> dict[str, str]:
    """Return the whole environment of a command; the step's ``env`` overrides all but the mark.

    ``path`` are folders to look for programs in first.
    """
    variables = {
        **without_secrets(os.environ),
        "PYTHONUNBUFFERED": "1",
        **dict(env),
        MARK: str(spool),
    }
    if path:
        variables["PATH"] = os.pathsep.join((*path, variables.get("PATH", os.defpath)))
    return variables


def umask_of_commands() -> int:
    """Return the umask of a job's commands; -1: that of this process."""
    try:
        return int(os.environ.get(UMASK, ""), 8)
    except ValueError:
        return -1


def cleanups(
    begun: Sequence[Step], spool: Path
) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """(command, environment) of what cleans up after these steps, in the order to run them."""
    for step in reversed(begun):
        if step.cleanup:
            yield step.cleanup, of_step(step.env, spool, step.path)


def marked(spool: Path) -> list[int]:
    """Return processes that a command of this spool started, whatever their parent is now."""
    mark = f"{MARK}={spool}".encode()
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environ = (entry / "environ").read_bytes()
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
        if mark in environ.split(b"\0"):
            pids.append(int(entry.name))
    return pids
