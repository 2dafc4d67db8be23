"""Records: tables of hosts, jobs, deployments, results, chats.
Here: tables, their constraints, names of states; no logic of a change.
Not here: what changes them (`services`), what reads several at once (`queries`).
"""

from jobs.models.access import (
    Account,
    ApiToken,
    GatewayBesideJob,
    GatewayUse,
    IdempotencyKey,
    Instance,
    Secret,
    Source,
)
from jobs.models.audit_chain import AppendOnlyError, AuditEntry
from jobs.models.deployments import ChatShare, ChatTag, Conversation, Deployment, DeploymentEvent
from jobs.models.deployments import Endpoint, ServedBlock, Turn
from jobs.models.hosts import Host
from jobs.models.jobs import Artifact, Dataset, Environment, Job, JobStep, Matrix, MatrixCell
from jobs.models.jobs import OutputFile, PointBlock, Preflight, Weights
from jobs.models.results import Answer, AnswerRow, Baseline, ChatPreset, Import, ImportedFile
from jobs.models.results import LimitRun, Note, PointRequests, PromptSet, ReportWords, Result
from jobs.models.results import ResultPoint, SavedView, ServiceLevel, SignOff, Tag
