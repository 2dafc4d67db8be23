"""Messages for people as records keep them: an id and what fills it.

The words of each id are in ``dashboard.text.messages``, so that each viewer reads their own
language. Here too: which messages hosts send.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jobs.base.errors import JobsError

# All that hosts say: outcomes of a run, then findings of checks. Other messages are the dashboard's
# own words, which no host may use.
_OUTCOMES = {
    "": "done cancelled",
    "host:": "disk_full launcher_died launcher_never_started rebooted serve_busy",
    "internal:": "launcher plan",
    "policy:": "program root variable",
    "work:": "exit log_limit no_folder no_instruction not_found not_started output_missing "
    "server_ended signal timeout",
}
_CHECKS = (
    "avx512 avx512_missing broke conda conda_env_missing conda_missing container "
    "container_there data_files data_files_many data_files_missing data_set "
    "data_set_card_missing data_set_files_missing data_set_missing data_set_part_missing "
    "data_set_split_missing data_set_split_unnamed dies dies_missing disk disk_full "
    "disk_nothing_more disk_reserve docker docker_down endpoint endpoint_model "
    "endpoint_silent image image_missing iommu_off iommu_on later modification "
    "modification_differs modification_missing path path_missing port port_busy port_held "
    "shard_missing shm shm_small tool tool_missing tool_old unknown weights weights_missing "
)
OF_HOSTS = frozenset(
    prefix + name
    for prefix, names in {**_OUTCOMES, "check:": _CHECKS}.items()
    for name in names.split()
)
UNKNOWN = "host:unknown_message"


@dataclass(frozen=True, slots=True)
class Message:
    """An id of ``dashboard.text.messages`` and what fills it."""

    id: str
    args: Mapping[str, Any] = field(default_factory=dict)


class ReasonError(JobsError):
    """An error that people can mend. ``reason`` says how; ``field``: of a form, "" for all."""

    id: ClassVar[str] = "internal:reason"

    def __init__(self, reason: Message, field: str = "") -> None:
        super().__init__(reason.id)
        self.reason, self.field = reason, field
