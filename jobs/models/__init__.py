"""Records: tables of hosts, jobs, deployments, results, chats.
Here: tables, their constraints, names of states; no logic of a change.
Not here: what changes them (`services`), what reads several at once (`queries`).
"""

from jobs.models.access import Account, ApiToken, AppendOnlyError, AuditEntry, Instance
from jobs.models.assets import Artifact, Dataset, Environment, Weights
from jobs.models.chat import Conversation, Turn
from jobs.models.deployments import Deployment, DeploymentEvent, ServedBlock
from jobs.models.hosts import Host
from jobs.models.imports import Import, ImportedFile
from jobs.models.jobs import Job, JobStep, OutputFile, PointBlock
from jobs.models.preflights import Preflight
from jobs.models.results import Answer, Result, ResultPoint
from jobs.models.secrets import Secret
from jobs.models.sources import Source

__all__ = [
    "Account",
    "Answer",
    "ApiToken",
    "AppendOnlyError",
    "Artifact",
    "AuditEntry",
    "Conversation",
    "Dataset",
    "Deployment",
    "DeploymentEvent",
    "Environment",
    "Host",
    "Import",
    "ImportedFile",
    "Instance",
    "Job",
    "JobStep",
    "OutputFile",
    "PointBlock",
    "Preflight",
    "Result",
    "ResultPoint",
    "Secret",
    "ServedBlock",
    "Source",
    "Turn",
    "Weights",
]
