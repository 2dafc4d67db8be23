"""Data sets of evaluations, and question and prompt sets of the team."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import question_sets, rows
from dashboard.actions.rows import PromptForm
from dashboard.api import base
from dashboard.api.base import ApiAnswer, Asked, Created, Json, Operations, about, listing, read
from dashboard.pages.shared.addresses import or_404
from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS
from jobs.catalog.data_sets import DATA_SETS, DataSet
from jobs.catalog.questions import Question, TeamSet
from jobs.catalog.questions_file import read_questions
from jobs.queries.catalogue import prompt_set, prompt_sets, prompts_in

data_sets = Operations("Data sets", "questions")


class PartAnswer(ApiAnswer):
    """A set of OpenCompass."""

    name: str
    questions: int
    version: str = about("hash of the prompt")


class DataSetAnswer(ApiAnswer):
    """A data set."""

    id: str
    name: str
    about: str
    origin: str = base.about("public, included or team")
    questions: int
    languages: list[str]
    licence: str | None = base.about("null: not known")
    metric: str
    key: str | None = base.about("value of the field questions of a job; null: none")
    sha256: str | None = base.about("of the questions, where this dashboard has them")
    opencompass: str | None = read("opencompass.name", "name in evaluate-opencompass")
    evalscope: str | None = read("evalscope.name", "name in evaluate-evalscope")
    parts: list[PartAnswer]
    removed: bool


DataSetsAnswer = listing(
    "DataSetsAnswer", "All data sets: the catalogue's, then the team's.", "data_sets", DataSetAnswer
)


@data_sets.on("GET ", "questions.view", "api-questions", DataSetsAnswer)
def list_data_sets(request: HttpRequest) -> Json:
    """List data sets of evaluations. List the catalogue's data sets, and the team's in use."""
    team = [one for one in QUESTION_SETS.team() if not one.removed_at]
    rows = [*map(_public, DATA_SETS.values()), *map(team_answer, team)]
    return {"data_sets": rows, "next": None}


@data_sets.on("GET /{str:set_id}", "questions.view", "api-question-set", DataSetAnswer)
def get_data_set(request: HttpRequest, set_id: str) -> Json:
    """Get a data set. Get one data set, removed ones of the team too."""
    if set_id in DATA_SETS:
        return _public(DATA_SETS[set_id])
    return team_answer(or_404(QUESTION_SETS.of_team, set_id))


def _public(data_set: DataSet) -> Json:
    own = QUESTION_SETS.included[data_set.included] if data_set.included else None
    return DataSetAnswer.of(
        data_set,
        origin="included" if own else "public",
        key=data_set.included,
        sha256=own.sha256 if own else None,
        parts=[part.model_dump() for part in data_set.parts],
        removed=False,
    )


def team_answer(team_set: TeamSet) -> Json:
    absent: Json = dict.fromkeys(("licence", "opencompass", "evalscope"))
    return DataSetAnswer.of(
        team_set,
        about=team_set.note,
        origin="team",
        questions=team_set.current.questions,
        metric="accuracy",
        languages=[],
        parts=[],
        sha256=team_set.current.sha256,
        removed=bool(team_set.removed_at),
        **absent,
    )


class QuestionSetChange(Asked):
    """A version of a question set of the team."""

    name: str = base.about("empty: the ID", "")
    note: str = ""
    text: str = base.about("questions as JSON lines or CSV, at most 2 MiB")
    onto: str = base.about("sha256 of the version that this one replaces")


class QuestionSetAsked(Asked):
    """A question set of the team to add."""

    id: str = base.about("lower-case letters, digits and dashes, at most 32")
    name: str = base.about("empty: the ID", "")
    note: str = ""
    text: str = base.about("questions as JSON lines or CSV, at most 2 MiB")


@data_sets.on("POST ", "questions.change", "api-questions", DataSetAnswer, 201, 413, 422)
def add_question_set(request: HttpRequest, asked: QuestionSetAsked) -> Json:
    """Add a question set of the team. Nothing is stored while one question is wrong: the error
    lists up to 20 lines."""
    meta, questions = asked.model_dump(exclude={"text"}), _questions(asked.text)
    return team_answer(question_sets.save(request.user, meta, questions, onto=None))


@data_sets.on("PUT /{str:set_id}", "questions.change", "api-question-set", DataSetAnswer, 413, 422)
def change_question_set(request: HttpRequest, set_id: str, asked: QuestionSetChange) -> Json:
    """Change a question set of the team. Other questions make a new version; results keep theirs.
    A removed set is in use again."""
    team_set = or_404(QUESTION_SETS.of_team, set_id)
    meta = {"id": team_set.id, "name": asked.name, "note": asked.note}
    questions = _questions(asked.text)
    return team_answer(question_sets.save(request.user, meta, questions, onto=asked.onto))


@data_sets.on("DELETE /{str:set_id}", "questions.change", "api-question-set", DataSetAnswer)
def remove_question_set(request: HttpRequest, set_id: str) -> Json:
    """Remove a question set of the team. New jobs no longer choose it; results keep it."""
    question_sets.mark(request.user, or_404(QUESTION_SETS.of_team, set_id).id, is_removed=True)
    return team_answer(or_404(QUESTION_SETS.of_team, set_id))


@data_sets.on(
    "POST /{str:set_id}/restore", "questions.change", "api-question-set-restore", DataSetAnswer
)
def restore_question_set(request: HttpRequest, set_id: str) -> Json:
    """Restore a removed question set of the team. New jobs may choose it again."""
    question_sets.mark(request.user, or_404(QUESTION_SETS.of_team, set_id).id, is_removed=False)
    return team_answer(or_404(QUESTION_SETS.of_team, set_id))


def _questions(text: str) -> tuple[Question, ...]:
    """Return the questions of a body. Raises ``LaunchError``: a line for each error."""
    found = read_questions(text.encode())
    lines = []
    for fault in found.faults:
        args = {"line": fault.line, "place": fault.key, "error": fault.message}
        words = _("Line %(line)s, %(place)s: %(error)s") if fault.key else "%(error)s"
        if fault.line and not fault.key:
            words = _("Line %(line)s: %(error)s")
        lines.append(words % args)
    if found.more:
        lines.append(ngettext("and %(n)s more", "and %(n)s more", found.more) % {"n": found.more})
    if lines:
        raise LaunchError("\n".join(lines), "text")
    return found.questions


prompts = Operations("Prompts", "prompts")


class PromptSetAsked(Asked):
    """Prompts of the team for benchmarks."""

    name: str = about("value of the field prompts of a benchmark")
    language: str = ""
    text: str = about('JSON lines: {"prompt": "…"}')


class PromptSetAnswer(Created):
    """A prompt set of the team."""

    id: int
    name: str = about("value of the field prompts of a benchmark")
    language: str
    count: int = read("prompts", "number of prompts")
    bytes: int
    longest_tokens: int = read("longest", "of the longest prompt, estimated")
    sha256: str = about("of its JSON lines; the identity of a result has it too")
    removed: bool = read(lambda row: row.removed_at is not None)


class PromptSetWhole(PromptSetAnswer):
    """A prompt set with its prompts."""

    prompts: list[str] = read(lambda row: prompts_in(row.text))


PromptSets = listing("PromptSets", "All prompt sets, by name.", "prompt_sets", PromptSetAnswer)


@prompts.on("GET ", "prompts.view", "api-prompts", PromptSets)
def list_prompt_sets(request: HttpRequest) -> Json:
    """List prompt sets. By name, without removed ones."""
    return {"prompt_sets": [PromptSetAnswer.of(row) for row in prompt_sets()], "next": None}


@prompts.on("POST ", "prompts.add", "api-prompts", PromptSetAnswer, 201, 413, 422)
def add_prompt_set(request: HttpRequest, asked: PromptSetAsked) -> Json:
    """Add a prompt set. Check the JSON lines, then store them."""
    form = PromptForm(
        {"name": asked.name, "language": asked.language},
        {"file": SimpleUploadedFile("text", asked.text.encode())},
        user=request.user,
        names={"file": "text"},
    )
    return PromptSetAnswer.of(rows.save(request.user, form))


@prompts.on("GET /{int:prompt_set_id}", "prompts.view", "api-prompt-set", PromptSetWhole)
def read_prompt_set(request: HttpRequest, prompt_set_id: int) -> Json:
    """Read a prompt set. With its prompts, also a removed one."""
    return PromptSetWhole.of(or_404(prompt_set, prompt_set_id))


@prompts.on("DELETE /{int:prompt_set_id}", "prompts.change", "api-prompt-set", PromptSetAnswer)
def remove_prompt_set(request: HttpRequest, prompt_set_id: int) -> Json:
    """Remove a prompt set. Forms no longer offer it; results keep it. It can be restored."""
    rows.mark(request.user, PromptForm, or_404(prompt_set, prompt_set_id), is_removed=True)
    return PromptSetAnswer.of(or_404(prompt_set, prompt_set_id))


@prompts.on(
    "POST /{int:prompt_set_id}/restore",
    "prompts.change",
    "api-prompt-set-restore",
    PromptSetAnswer,
    422,
)
def restore_prompt_set(request: HttpRequest, prompt_set_id: int) -> Json:
    """Restore a removed prompt set. 422 if another set has its name now."""
    rows.mark(request.user, PromptForm, or_404(prompt_set, prompt_set_id), is_removed=False)
    return PromptSetAnswer.of(or_404(prompt_set, prompt_set_id))
