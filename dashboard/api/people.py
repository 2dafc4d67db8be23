"""API tokens of the caller; for administrators people and storage."""

import shutil
from typing import Annotated, Any, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from pydantic import Field, StrictBool

from dashboard.actions import access as actions
from dashboard.actions import jobs as job_actions
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Json,
    Operations,
    Removal,
    Time,
    about,
    conflict,
    invalid,
    listing,
    read,
)
from dashboard.pages.admin.access import all_people
from dashboard.pages.admin.storage import SHOWN, counted_last, database_bytes, refusal_of
from dashboard.server.json_errors import removal
from jobs.access.accounts import LastAdministrator, role_of
from jobs.base.numbers import DIGITS
from jobs.models import Account, ApiToken, Job
from jobs.queries import storage as queries

# Tokens

tokens = Operations("Account", "tokens")


class TokenAnswer(ApiAnswer):
    """An API token without its text."""

    id: int
    name: str
    person: str = read("user.username", "the token acts as this person")
    scope: ApiToken.Scope
    created_at: Time
    expires_at: Time | None = about("null: never")
    expired: bool = read("is_expired")
    last_used_at: Time | None
    models: list[str] = read("allowed_models", "of the scope models; empty: all")
    requests_per_minute: int | None = about("of the scope models; null: no limit")
    tokens_per_minute: int | None
    token_budget: int | None
    tokens_used: int = about("through the gateway")


Tokens = listing("Tokens", "Tokens of the caller; for administrators all.", "tokens", TokenAnswer)


@tokens.on("GET ", "token.create", "api-tokens", Tokens)
def list_tokens(request: HttpRequest) -> Json:
    """List API tokens. Own ones, administrators: all; newest first. Needs a session, or a token of
    the scope admin."""
    rows = actions.tokens_for(_user(request))
    return {"tokens": [TokenAnswer.of(row) for row in rows], "next": None}


_ModelName = Annotated[str, Field(min_length=1, max_length=200)]
_Most = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class TokenChange(Asked):
    """Limits of a token of the scope models; a field that is not sent stays, null: no limit."""

    models: Annotated[list[_ModelName], Field(max_length=100)] = about(
        "served names or catalogue ids; empty: all", []
    )
    requests_per_minute: _Most | None = None
    tokens_per_minute: _Most | None = None
    token_budget: Annotated[int, Field(ge=1, le=2**53, strict=True)] | None = None


@tokens.on("PATCH /{int:token_id}", "token.change", "api-token", TokenAnswer, 422)
def change_token(request: HttpRequest, token_id: int, asked: TokenChange) -> Json:
    """Change the limits of an API token of the scope models. In force within 5 seconds. Own tokens;
    administrators: any."""
    row = get_object_or_404(actions.tokens_for(_user(request)), pk=token_id)
    sent = asked.model_dump(exclude_unset=True)
    if row.scope != ApiToken.Scope.MODELS:
        raise invalid("token_id", _("Only a token of the scope models has limits."))
    if "models" in sent:
        sent["allowed_models"] = sorted(set(sent.pop("models")))
    actions.change_token(request.user, row, sent)
    return TokenAnswer.of(row)


@tokens.on("DELETE /{int:token_id}", "token.delete", "api-token", TokenAnswer)
def revoke_token(request: HttpRequest, token_id: int) -> Json:
    """Revoke an API token. Its next call is refused. Own tokens; administrators: any."""
    row = get_object_or_404(actions.tokens_for(_user(request)), pk=token_id)
    shown = TokenAnswer.of(row)
    actions.revoke_token(request.user, row)
    return shown


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


# People

people = Operations("People", "people")


class PersonChange(Asked):
    """Parts of an account to change; null: stays."""

    role: Account.Role | None = None
    active: StrictBool | None = about(
        "false: sessions end, API tokens are removed; jobs, results and chats stay", None
    )


class PersonAnswer(ApiAnswer):
    """A person with an account."""

    id: int
    name: str = read("username")
    role: Account.Role = read(role_of)
    active: bool = read("is_active", "may log in")
    jobs: int = read("jobs_count")
    last_job_at: Time | None
    last_login_at: Time | None = read("last_login")


People = listing("People", "All accounts, deactivated ones last.", "people", PersonAnswer)


@people.on("GET ", "user.manage", "api-people", People)
def list_people(request: HttpRequest) -> Json:
    """List people. By name, deactivated accounts last."""
    return {"people": [PersonAnswer.of(row) for row in all_people()], "next": None}


@people.on("PATCH /{int:user_id}", "user.manage", "api-person", PersonAnswer, 409, 413, 422)
def change_person(request: HttpRequest, user_id: int, asked: PersonChange) -> Json:
    """Change a person's role, or deactivate or reactivate the account. Not one's own account; one
    administrator stays."""
    person = get_object_or_404(all_people(), pk=user_id)
    wanted = [] if asked.role is None else [asked.role.value]
    if asked.active is not None:
        wanted.append("on" if asked.active else "off")
    try:
        for one in wanted:
            actions.change_person(_user(request), person, one)
    except LastAdministrator as refused:
        raise conflict("last_administrator", str(refused)) from None
    return PersonAnswer.of(get_object_or_404(all_people(), pk=user_id))


# Storage

storage = Operations("Storage", "storage")


class LargeJob(ApiAnswer):
    """A job with many bytes."""

    job: int = read("pk")
    bytes: int = read("stored_bytes")
    kept: bool = read(lambda row: row.pinned_at is not None, "a person keeps its files")


class NextRemoval(ApiAnswer):
    """A job, deployment or chat turn whose files go next."""

    type: str = about("job, deployment or turn")
    id: int
    bytes: int
    ended_at: Time
    at: Time | None = about("null: when the size limit needs it")
    why: str = about("age or size")


class HostStorage(ApiAnswer):
    """Assets on a host, in bytes; null: not reported."""

    host: str = read("host.name")
    environments_bytes: int | None = read("environments")
    weights_bytes: int | None = read("weights")
    artifacts_bytes: int | None = read("artifacts")
    datasets_bytes: int | None = read("datasets")
    measured_at: Time | None = read("at")


class StorageAnswer(ApiAnswer):
    """Disk usage of the dashboard, in bytes."""

    counted_at: Time = read("at")
    within_limit_bytes: int = read("within", "logs, files, points, server logs and chats")
    job_logs_bytes: int = read("job_logs")
    output_files_bytes: int = read("outputs")
    server_logs_bytes: int = read("server_logs")
    chats_bytes: int = read("chats")
    points_bytes: int = read("points", "data points of curves, in the database")
    orphaned_bytes: int = read("aside", "logs of jobs missing in the database; outside the limit")
    imports_bytes: int = read("imports", "files of imports; outside the limit")
    database_bytes: int = about("outside the limit")
    kept_bytes: int = read("pinned", "files that people keep")
    week_bytes: int = read("week", "of what ended within the last 7 days")
    disk_total_bytes: int
    disk_free_bytes: int
    age_limit_s: float | None = about("null: no limit")
    size_limit_bytes: int | None = about("null: no limit")
    unfinished: int = about("records that were removed only in part")
    next_removals: list[NextRemoval]
    largest_jobs: list[LargeJob]
    hosts: list[HostStorage]


@storage.on("GET ", "storage.manage", "api-storage", StorageAnswer)
def read_storage(request: HttpRequest) -> Json:
    """Read the disk usage. With its limits, the next removals, the largest jobs, and assets on
    hosts."""
    counted, limits = counted_last(), queries.limits()
    disk, age = shutil.disk_usage(settings.DATA_DIR), limits.retention_age
    return StorageAnswer.of(
        counted,
        database_bytes=database_bytes(),
        disk_total_bytes=disk.total,
        disk_free_bytes=disk.free,
        age_limit_s=None if age is None else age.total_seconds(),
        size_limit_bytes=limits.retention_size_bytes,
        unfinished=queries.unfinished(),
        next_removals=[
            NextRemoval.of(bulk, at=coming.at, why=str(coming.why))
            for bulk, coming in queries.next_to_go(counted, SHOWN)
        ],
        largest_jobs=[LargeJob.of(job) for job in queries.biggest(SHOWN)],
        hosts=[HostStorage.of(row) for row in queries.disk_usage_of_hosts()],
    )


class RemoveAsked(Asked):
    """A job whose log, files and data points go."""

    job: Annotated[int, Field(strict=True, ge=0, lt=10**DIGITS)]


class FilesRemoved(Removal):
    """A job without its log, files and data points."""

    job: int


@storage.on("POST /remove", "storage.manage", "api-storage-remove", FilesRemoved, 409, 413)
def remove_job_files(request: HttpRequest, asked: RemoveAsked) -> Json:
    """Remove a job's log, files and data points. This cannot be undone. 409 for a job that runs,
    whose files are kept, or whose server is in use."""
    job = Job.objects.select_related("host", "pinned_by").filter(pk=asked.job).first()
    if job is None:
        raise invalid("job", _("No job has this number."))
    if not job_actions.remove_files(cast(Any, request.user), job):
        raise conflict("not_removed", refusal_of(job) or _("This job has no stored files."))
    return {"job": job.pk, **(removal(job) or {})}
