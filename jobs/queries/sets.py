"""Prompt sets, and data sets with results and files on hosts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

from django.db.models import QuerySet

from jobs.catalog import MODELS, QUESTION_SETS, ZooModel
from jobs.catalog.data_sets import DATA_SETS, DataSet
from jobs.catalog.questions import TeamSet
from jobs.kinds.lib.base import TeamPrompts
from jobs.metrics.measured import SHARES
from jobs.models import Dataset, Host, PromptSet, Result
from jobs.queries.results.published import PublishedComparison, is_of, published_comparisons
from jobs.statistics import Interval, wilson
from jobs.tools.lib.folders import folder_of
from jobs.tools.lib.site import Site, site_of
from jobs.tools.vacc.downloads import OPENCOMPASS


def prompt_sets() -> QuerySet[PromptSet]:
    """Return the sets that are offered, by name, without their prompts."""
    return PromptSet.objects.filter(removed_at=None).select_related("created_by").defer("text")


def prompt_set(set_id: int) -> PromptSet | None:
    """Return a set, also a removed one; None: unknown."""
    return PromptSet.objects.select_related("created_by").filter(pk=set_id).first()


def prompts_in(text: str) -> list[str]:
    return [json.loads(line)["prompt"] for line in text.split("\n") if line]


def team_prompts() -> tuple[TeamPrompts, ...]:
    """Return the sets that are offered, for kinds."""
    rows = PromptSet.objects.filter(removed_at=None)
    columns = rows.values_list("pk", "name", "prompts", "longest")
    return tuple(
        # Cached: a matrix plans each cell.
        TeamPrompts(name, count, longest, cache(partial(_prompts_of, pk)))
        for pk, name, count, longest in columns
    )


def _prompts_of(set_id: int) -> list[str]:
    return prompts_in(PromptSet.objects.values_list("text", flat=True).get(pk=set_id))


_EVALUATIONS = 300  # newest ones that are searched for results on a set
_RESULTS = 20


@dataclass(frozen=True, slots=True)
class SetResult:
    """Result with its share of correct answers on one set; None where the set has no share."""

    result: Result
    questions: int
    share: Interval | None


# "report": the host has not reported its folders yet.
Lack = Literal["", "report", "cards"]


@dataclass(frozen=True, slots=True)
class SetRow:
    """Data set in the list: of the catalogue, or of the team. ``latest``: its newest result that is
    neither simulated nor imported."""

    id: str
    name: str
    about: str
    questions: int
    data_set: DataSet | None
    team_set: TeamSet | None
    latest: SetResult | None


@dataclass(frozen=True, slots=True)
class Place:
    """Files of a set on a host, as its last job *Prepare datasets* counted them.

    ``folder``: where EvalScope reads them as files, "" if it does not ask the set. ``found``: file
    or pattern -> items; empty: never prepared there.
    """

    host: Host
    folder: str
    prepared: Dataset | None
    found: Sequence[tuple[str, int]]


def set_rows() -> list[SetRow]:
    """Return all sets: the catalogue's in its order, then the team's in use."""
    evaluations = _evaluations()
    rows = [
        SetRow(
            *(one.id, one.name, one.about, one.questions, one, None),
            _latest(results_on(one.id, one.answer_names, evaluations)),
        )
        for one in DATA_SETS.values()
    ]
    rows += [
        SetRow(
            *(one.id, one.name, one.note, one.current.questions, None, one),
            _latest(results_on(one.id, (), evaluations)),
        )
        for one in QUESTION_SETS.team()
        if not one.removed_at
    ]
    return rows


def results_of(set_id: str) -> list[SetResult]:
    known = DATA_SETS.get(set_id)
    names = known.answer_names if known else ()
    return results_on(set_id, names, _evaluations())[:_RESULTS]


def _evaluations() -> list[Result]:
    rows = Result.objects.filter(type=Result.Type.EVALUATION)
    return list(rows.select_related("host", "deployment", "endpoint", "job")[:_EVALUATIONS])


def results_on(set_id: str, names: Sequence[str], evaluations: Iterable[Result]) -> list[SetResult]:
    """Return the ``evaluations`` with answers of ``names``; no names: with the group ``set_id``."""
    found = []
    for result in evaluations:
        stored = result.run_context.get("sets") or ()
        rows = [
            one
            for one in stored
            if (
                is_of(str(one["dataset"]), names)
                if names
                else str(one["group"]).partition("@")[0] == set_id  # "ours@1f2e3d4c5b6a"
            )
        ]
        if rows:
            found.append(SetResult(result, *_pooled(rows)))
    return found


def _pooled(rows: Sequence[dict[str, object]]) -> tuple[int, Interval | None]:
    total, right = 0, 0.0
    for row in rows:
        value, questions = row["value"], row["questions"]
        if row["metric"] not in SHARES or not isinstance(questions, int) or questions < 1:
            return total, None
        if not isinstance(value, int | float):
            return total, None
        total, right = total + questions, right + value / 100 * questions
    return total, wilson(right, total)


def _latest(results: Iterable[SetResult]) -> SetResult | None:
    own = (one for one in results if not one.result.simulated and one.result.imported_id is None)
    return next((one for one in own if one.share is not None), None)


def published_for(data_set: DataSet) -> list[tuple[ZooModel, PublishedComparison]]:
    names = {*data_set.published_as, *(part.name for part in data_set.parts)}
    return [
        (model, comparison)
        for model in MODELS.values()
        if any(item.dataset in names for item in model.published)
        for comparison in published_comparisons(model)
        if comparison.published.dataset in names
    ]


def lacking_hosts(data_set: DataSet) -> list[tuple[Host, Lack]]:
    """Return hosts that cannot ask the set, each with what it lacks."""
    hosts = () if data_set.included else Host.objects.order_by("name")
    return [(host, lack) for host in hosts if (lack := lack_of(data_set, host))]


def places_of(data_set: DataSet) -> list[Place]:
    """Return hosts that can ask the set, and what jobs found there of its files."""
    if data_set.included:
        return []
    prepared = {
        row.host_id: row for row in Dataset.objects.filter(name=OPENCOMPASS).order_by("created_at")
    }
    files = data_set.opencompass.files if data_set.opencompass else ()
    return [
        Place(
            host,
            folder_of(data_set.evalscope, site.workspace) if data_set.evalscope else "",
            prepared.get(host.pk),
            _found(prepared.get(host.pk), files),
        )
        for host in Host.objects.order_by("name")
        if (site := site_for(data_set, host)) is not None
    ]


def _found(prepared: Dataset | None, files: Sequence[str]) -> list[tuple[str, int]]:
    counts = prepared.details.get("counts") if prepared else None
    if not isinstance(counts, dict):
        return []
    return [
        (str(path), int(items))
        for path, items in counts.items()
        if isinstance(items, int) and str(path).startswith(tuple(files) or ("\0",))
    ]


def site_for(data_set: DataSet, host: Host) -> Site | None:
    """Return the folders of a host that can ask the set; None: see :func:`lack_of`."""
    return None if lack_of(data_set, host) else site_of(host.facts)


def lack_of(data_set: DataSet, host: Host) -> Lack:
    """Return what the host lacks to ask the set; "": nothing.

    OpenCompass asks from hosts with cards only.
    """
    try:
        site_of(host.facts)
    except KeyError:
        return "report"
    return "cards" if data_set.evalscope is None and not host.facts.get("dies") else ""
