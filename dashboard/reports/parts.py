"""Parts that several kinds of reports have: method (commands, environment, identity), remarks."""

from collections.abc import Iterable, Sequence

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dashboard.pages.results.view import record_groups
from dashboard.pages.shared.cells import Cell, FactList, facts
from dashboard.pages.shared.marks import Flag, Marks, flags, marks_of, remarks_of
from dashboard.pages.shared.words import unknown_words
from dashboard.reports.document import Block, Code, Listing, ReportAsked, ReportSection
from dashboard.text.formatting import full_moment
from dashboard.text.import_words import declared_facts, measured_text
from dashboard.text.labels import limit_words, names_text, phrase, result_name
from dashboard.text.messages import view_of
from jobs.models import Job, Note, Result, SignOff
from jobs.plans import from_json, script
from jobs.queries.results.listing import notes_of, sign_offs_of
from jobs.queries.results.results import ResultPage

LONGEST_FILE = 4_000  # characters of a file that a command list has in full


def commands(result: Result) -> list[Block]:
    """Return the commands of a result as a script; secrets are names there. An import has none."""
    if result.job is None:
        return []
    return [code(_("Commands of %(name)s") % {"name": result_name(result)}, result.job)]


def code(title: str, job: Job) -> Code:
    return Code(title, script(from_json(job.plan), job.values, longest_file=LONGEST_FILE))


def record(page: ResultPage, name: str = "") -> list[FactList]:
    """Return how a result was measured, as its page has it. ``name``: of several results."""
    blocks = []
    for _id, group, unknown in record_groups(page):
        dim = Cell(unknown, tone="dim")
        rows = [(title, dim if value is None else Cell(value)) for title, value in group.rows]
        blocks.append(FactList(rows, " ".join(filter(None, (group.title, name)))))
    rows = [(_("Fingerprint"), Cell(page.result.fingerprint))]
    if unknown_parts := unknown_words(page.result):
        rows = [(_("Unknown, so not grouped"), Cell(unknown_parts))]
    return [*blocks, FactList(rows, name)]


def packages(results: Sequence[Result]) -> list[Listing]:
    """Return the packages of each environment, once for several results."""
    found: dict[str, Listing] = {}
    for one in (one for result in results for one in result.run_context.get("environments") or []):
        digest, versions = str(one.get("fingerprint", "")), one.get("versions") or {}
        items = [f"{name} {version}" for name, version in versions.items()]
        title = _("Packages of %(name)s") % {"name": one.get("name", "")}
        found.setdefault(digest, Listing([f"sha256 {digest}", *items], title))
    return list(found.values())


def about(
    first: Sequence[tuple[str, str]],
    heads: Sequence[Result],
    asked: ReportAsked,
    more: Sequence[tuple[str, str]] = (),
    names: Sequence[str] = (),
) -> FactList:
    """Return what several results are, between ``first`` and ``more``: facts of their report.
    ``names``: of the results, where each has its own date."""

    def each(texts: Iterable[str]) -> str:
        return _(", ").join(dict.fromkeys(texts))

    measured = measured_text(heads)
    if names:
        measured = by_name(names, [measured_text([head]) for head in heads])
    return facts(
        [
            *first,
            (_("Models"), each(head.model_id for head in heads)),
            (_("Workload"), _("; ").join(dict.fromkeys(phrase(head.what) for head in heads))),
            (_("Tool"), each(head.tool for head in heads)),
            *more,
            (_("Measured"), measured),
            *declared_facts(heads, has_people=asked.shows("people")),
        ]
    )


def warnings(results: Sequence[Result], asked: ReportAsked) -> list[str]:
    """Return flags with their reasons. A customer gets no name of a key."""
    has_keys = asked.profile == "internal"
    found = [(one, result) for result in results for one in flags(result, has_keys=has_keys)]
    texts = [(_flag_text(flag), result) for flag, result in found]
    return [text for text, _one in texts] if len(results) == 1 else by_text(texts)


def _flag_text(flag: Flag) -> str:
    """Return word and reason, the word once."""
    word = capfirst(flag.word)
    return flag.why if flag.why.startswith(word) else f"{word}{_(': ')}{flag.why}"


def by_text(texts: Sequence[tuple[str, Result]]) -> list[str]:
    """Return each text once, with the results that it is of: "res-1, res-2: …", of many with their
    number: "50 results: …"."""
    found: dict[str, list[str]] = {}
    for text, result in texts:
        found.setdefault(text, []).append(result_name(result))
    return [f"{names_text(names)}{_(': ')}{text}" for text, names in found.items()]


def sources(results: Sequence[Result], asked: ReportAsked) -> str:
    """Return results with their jobs: "res-1 (job #5), res-2"; an import has no job. A customer
    gets the results alone."""
    text = _("%(result)s (job #%(job)s)")
    has_jobs = asked.profile == "internal"
    return _(", ").join(
        text % {"result": result_name(one), "job": one.job_id}
        if one.job_id and has_jobs
        else result_name(one)
        for one in results
    )


def remarks(blocks: Sequence[Block]) -> list[ReportSection]:
    """Return the section of remarks; none needs no page that says so."""
    return [ReportSection(_("Remarks"), blocks)] if blocks else []


def by_name(names: Sequence[str], texts: Sequence[str]) -> str:
    """Return the text of each, "A: 3 Dec; B: 4 Dec"; once, where all have the same."""
    if len(set(texts)) <= 1:
        return "".join(texts[:1])
    return _("; ").join(f"{name}{_(': ')}{text}" for name, text in zip(names, texts, strict=True))


def remarks_on(
    results: Sequence[Result], asked: ReportAsked, *, is_titled: bool = True, has_added: bool = True
) -> list[Block]:
    has_added = has_added and asked.shows("notes")
    marks = marks_of(results) if has_added else {}
    blocks: list[Block] = []
    for result in results:
        title = result_name(result) if is_titled else ""
        items = [*(text for text, _is in remarks_of(result)), *known_failure(result.job)]
        blocks += [Listing(items, title)] if items else []
        blocks += added(result, marks[result.pk], "" if items else title) if has_added else []
    return blocks


def added(result: Result, marks: Marks, title: str) -> list[Block]:
    items = [_added(row) for row in sign_offs_of(result)]
    tags = _(", ").join(marks.added.tags)
    items += [_("Tags: %(tags)s") % {"tags": tags}] if tags else []
    items += [_added(row) for row in notes_of(result)]
    return [Listing(items, title)] if items else []


def known_failure(job: Job | None) -> list[str]:
    view = view_of(job) if job else None
    return [view.cause, view.advice] if view else []


def _added(row: SignOff | Note) -> str:
    by = row.created_by.get_username() if row.created_by else _("a removed account")
    args = {"by": by, "at": full_moment(row.created_at)}
    if isinstance(row, Note):
        args |= {"at": full_moment(row.edited_at or row.created_at), "text": row.text}
        return _("Note of %(by)s, %(at)s: %(text)s") % args
    args["purpose"] = row.purpose
    if row.accepted:
        args["purpose"] += f"{_('; ')}{limit_words(row.accepted)}"
    if row.withdrawn_at is None:
        return _("Released: %(purpose)s (%(by)s, %(at)s)") % args
    args["withdrawn"] = full_moment(row.withdrawn_at)
    return _("Release withdrawn: %(purpose)s (%(by)s, %(at)s; withdrawn %(withdrawn)s)") % args
