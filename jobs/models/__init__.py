"""Records: tables of hosts, jobs, deployments, results, chats.
Here: tables, their constraints, names of states; no logic of a change.
Not here: what changes them (`services`), what reads several at once (`queries`).
"""

from jobs.models.access import Account, ApiToken, AppendOnlyError, AuditEntry, Instance
from jobs.models.assets import Artifact, Dataset, Environment, Weights
from jobs.models.chat import Conversation, Turn
from jobs.models.deployments import Deployment, DeploymentEvent, ServedBlock
from jobs.models.endpoints import Endpoint
from jobs.models.hosts import Host
from jobs.models.idempotency import IdempotencyKey
from jobs.models.imports import Import, ImportedFile
from jobs.models.jobs import Job, JobStep, OutputFile, PointBlock
from jobs.models.levels import ServiceLevel
from jobs.models.matrices import Matrix, MatrixCell
from jobs.models.organised import Baseline, Note, SavedView, SignOff, Tag
from jobs.models.preflights import Preflight
from jobs.models.prompts import PromptSet
from jobs.models.results import Answer, AnswerRow, PointRequests, Result, ResultPoint
from jobs.models.secrets import Secret
from jobs.models.sources import Source

__all__ = [
    "Account",
    "Answer",
    "AnswerRow",
    "ApiToken",
    "AppendOnlyError",
    "Artifact",
    "AuditEntry",
    "Baseline",
    "Conversation",
    "Dataset",
    "Deployment",
    "DeploymentEvent",
    "Endpoint",
    "Environment",
    "Host",
    "IdempotencyKey",
    "Import",
    "ImportedFile",
    "Instance",
    "Job",
    "JobStep",
    "Matrix",
    "MatrixCell",
    "Note",
    "OutputFile",
    "PointBlock",
    "PointRequests",
    "Preflight",
    "PromptSet",
    "Result",
    "ResultPoint",
    "SavedView",
    "Secret",
    "ServedBlock",
    "ServiceLevel",
    "SignOff",
    "Source",
    "Tag",
    "Turn",
    "Weights",
]
