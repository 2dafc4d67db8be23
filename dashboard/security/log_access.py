"""Access to logs: their records, permissions, and whether they are complete."""

import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections

from jobs.models import Deployment, Job

logger = logging.getLogger(__name__)

# The first part of a log's key -> the record that it belongs to, and the right to read it.
RECORDS: dict[str, type[Job] | type[Deployment]] = {"job": Job, "deployment": Deployment}
ACTIONS = {"job": "job.view", "deployment": "deployment.view"}
# A server's log goes on after a restart; a job's never does.
MAY_GO_ON = {"job": False, "deployment": True}
_OVER: dict[str, list[str]] = {
    "job": [state for state in Job.State.values if state not in Job.OPEN_STATES],
    "deployment": [Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST],
}


def find_record(kind: str, record_id: int) -> Any:
    model = RECORDS.get(kind)
    return model._default_manager.filter(pk=record_id).first() if model else None


@sync_to_async
def is_over(key: str) -> bool:
    """True when no more will come to this log. While the database is away: False."""
    kind, _slash, record_id = key.partition("/")
    close_old_connections()  # a socket outlives any one connection
    try:
        rows = RECORDS[kind]._default_manager.filter(pk=int(record_id))
        state = rows.values_list("state", flat=True).first()
    except DatabaseError as error:
        logger.warning("cannot check whether log %s has ended: %s", key, error)
        return False
    return state is None or state in _OVER[kind]
