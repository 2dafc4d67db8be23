"""Import of an exported chat, for page and API; a confined worker reads the file."""

from typing import Any

from dashboard.actions.action import Done, action
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import GB, MB
from jobs.confined import NotDone, Pool, Task, WorkerLimits
from jobs.services.intake.quotas import DiskReserved, check_disk

_READERS = Pool(WorkerLimits(memory=GB, answer=MB, cpu_s=60, wall_s=120.0), most=1, runs=1)
_STORE = Task("dashboard.actions.chat_import_task:store_chat", int, _READERS)


@action("playground.use")
def import_chat(user: Any, content: bytes) -> Done[int]:
    """Store a file as a chat of ``user``; return its number. Raises ``LaunchError`` at ``file``."""
    try:
        check_disk()
        return Done(_STORE(user.pk, content))
    except DiskReserved:
        raise LaunchError(message("chat:disk", {}), "file") from None
    except NotDone as error:
        raise LaunchError(message(error.message.id, error.message.args), "file") from error
