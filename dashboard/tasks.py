"""The dashboard's tasks: thin, short, harmless when they run twice."""

from dashboard.celery import app
from dashboard.server import downloads
from jobs.access import valkey_users
from jobs.launch import matrices
from jobs.schedule import dispatch
from jobs.services.upkeep import packing, reaper, retention


@app.task(name="dashboard.sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Find what is lost, then start what waits. One scheduler a round does it, however many ask."""
    if reaper.claim_run():
        valkey_users.sync()
        reaper.reap()
        matrices.recover_lost()
        dispatch.run()


@app.task(name="dashboard.pack_logs")  # type: ignore[untyped-decorator]
def pack_logs() -> None:
    """Pack logs that are closed. One worker at a time does it, however many are asked."""
    packing.pack_some()


@app.task(name="dashboard.apply_retention")  # type: ignore[untyped-decorator]
def apply_retention() -> None:
    """Remove what is too old or too much; count rows for the database's planner. One scheduler a
    round does it, however many ask."""
    if retention.claim_run():
        retention.apply_retention()
        downloads.remove_old_exports()
        retention.count_rows()
