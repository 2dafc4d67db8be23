"""The public API's prompt sets: prompts that the team uploaded for benchmarks."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import Http404, HttpRequest
from pydantic import BaseModel, Field

from dashboard.actions import rows
from dashboard.actions.prompts import PromptForm
from dashboard.api.base import Created, Json, Operations, listing, read
from jobs.base.errors import LaunchError
from jobs.models import PromptSet
from jobs.queries.catalogue import prompt_set, prompt_sets, prompts_in

operations = Operations("Prompts", "prompts")


class PromptSetAsked(BaseModel):
    """Prompts of the team for benchmarks."""

    name: str = Field(description="value of the field prompts of a benchmark")
    language: str = ""
    text: str = Field(description='JSON lines: {"prompt": "…"}')


class PromptSetAnswer(Created):
    """A prompt set of the team."""

    id: int
    name: str = Field(description="value of the field prompts of a benchmark")
    language: str
    count: int = read("prompts", "number of prompts")
    bytes: int
    longest_tokens: int = read("longest", "of the longest prompt, estimated")
    sha256: str = Field(description="of its JSON lines; the identity of a result has it too")
    removed: bool = read(lambda row: row.removed_at is not None)


class PromptSetWhole(PromptSetAnswer):
    """A prompt set with its prompts."""

    prompts: list[str] = read(lambda row: prompts_in(row.text))


PromptSets = listing("PromptSets", "All prompt sets, by name.", "prompt_sets", PromptSetAnswer)


@operations.on("GET ", "prompts.view", PromptSets, name="api-prompts")
def list_prompt_sets(request: HttpRequest) -> Json:
    """List prompt sets. By name, without removed ones."""
    return {"prompt_sets": [PromptSetAnswer.of(row) for row in prompt_sets()], "next": None}


@operations.on("POST ", "prompts.add", PromptSetAnswer, 413, 422, name="api-prompts", status=201)
def add_prompt_set(request: HttpRequest, asked: PromptSetAsked) -> Json:
    """Add a prompt set. Check the JSON lines, then store them."""
    form = PromptForm(
        {"name": asked.name, "language": asked.language},
        {"file": SimpleUploadedFile("text", asked.text.encode())},
        user=request.user,
    )
    try:
        row = rows.save(request.user, form)
    except LaunchError as error:
        raise LaunchError(str(error), "text" if error.field == "file" else error.field) from None
    return PromptSetAnswer.of(row)


@operations.on("GET /{int:prompt_set_id}", "prompts.view", PromptSetWhole, name="api-prompt-set")
def read_prompt_set(request: HttpRequest, prompt_set_id: int) -> Json:
    """Read a prompt set. With its prompts, also a removed one."""
    return PromptSetWhole.of(_find(prompt_set_id))


@operations.on(
    "DELETE /{int:prompt_set_id}", "prompts.change", PromptSetAnswer, name="api-prompt-set"
)
def remove_prompt_set(request: HttpRequest, prompt_set_id: int) -> Json:
    """Remove a prompt set. Forms no longer offer it; results keep it. The page of prompt sets
    restores it."""
    rows.remove(request.user, PromptForm, _find(prompt_set_id))
    return PromptSetAnswer.of(_find(prompt_set_id))


def _find(prompt_set_id: int) -> PromptSet:
    row = prompt_set(prompt_set_id)
    if row is None:
        raise Http404(prompt_set_id)
    return row
