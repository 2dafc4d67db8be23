"""Models, data sets and prompt sets: what is there of each, published scores beside ours. A
simulated result is shown, marked, only without a real one, and is never the best."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Literal, NamedTuple

from django.db.models import Count, Max, Q, QuerySet, Sum

from jobs.base.numbers import finite, whole
from jobs.catalog import MODELS, QUESTION_SETS, ZooModel
from jobs.catalog.data_sets import DATA_SETS, DataSet
from jobs.catalog.questions import TeamSet
from jobs.catalog.schema import Published
from jobs.kinds.lib.base import TeamPrompts
from jobs.metrics.measured import SHARES
from jobs.models import Answer, Artifact, Dataset, Deployment, Host, Job, PromptSet, Result, Weights
from jobs.queries.hosts import is_away
from jobs.queries.jobs.groups import firsts
from jobs.queries.results.repeats import best_first
from jobs.statistics import Interval, wilson
from jobs.tools.lib.folders import folder_of
from jobs.tools.lib.site import Site, site_of
from jobs.tools.vacc.downloads import OPENCOMPASS

# Ways to serve a model that begin with a compile job.
_COMPILED = ("build_in", "llama_cpp")
# Reasons why our figure is not comparable with the published one.
Why = Literal["metric", "split", "prompt", "limited", "part", "cut", "samples"]

# Names in the results of tools that this dashboard only imports.
_IMPORTED: Mapping[str, tuple[str, ...]] = {
    "aime25": ("aime2025",),
    "ifeval": ("ifeval/",),
    "live_code_bench": ("live_code_bench/",),
}
# Published name -> subsets of our answers with its questions, see ``DataSet.answer_names``.
_SETS: Mapping[str, tuple[str, ...]] = {
    **{part.name: (part.name,) for one in DATA_SETS.values() for part in one.parts},
    **_IMPORTED,
    **{
        name: (*one.answer_names, *_IMPORTED.get(name, ()))
        for one in DATA_SETS.values()
        for name in one.published_as
    },
}
_SIZES = {
    **{part.name: part.questions for one in DATA_SETS.values() for part in one.parts},
    **{name: one.questions for one in DATA_SETS.values() for name in one.published_as},
}
# Metrics that are an accuracy like ours; a rating, a consensus or an F1 score is not.
_SHARES = ("accuracy", "pass@1", "EM", "pass@1-COT", "prompt strict", "correct")
# The authors used a different question set than the tools here: CLUE, not FewCLUE.
_OTHER_SETS = {("cluewsc", "paper")}


class Ours(NamedTuple):
    """Result of ours on the questions of one set. ``samples``: answers to each question."""

    result: Result
    share: Interval
    questions: int
    subsets: tuple[str, ...]
    samples: int = 1


class PublishedComparison(NamedTuple):
    """Published figure with what stands for us and our best result on the same data set. ``why``:
    reasons against a comparison. ``best`` None: ``latest``, or all are simulated."""

    published: Published
    latest: Ours | None
    best: Ours | None
    why: tuple[Why, ...]

    @property
    def within(self) -> bool | None:
        """Return True if the published figure is within our interval; None: not comparable."""
        if self.latest is None or self.why or self.latest.result.simulated:
            return None
        return self.latest.share.low <= self.published.value / 100 <= self.latest.share.high


def published_comparisons(model: ZooModel) -> list[PublishedComparison]:
    own = Result.objects.filter(model_id=model.id, type=Result.Type.EVALUATION)
    own = own.filter(endpoint=None, imported=None).select_related("host", "deployment", "job")
    results = {result.pk: result for result in best_first(own)}
    answers = Answer.objects.filter(status="", result__in=results).order_by()
    rows = answers.values_list("result_id", "subset")
    scored = list(rows.annotate(answers=Count("pk"), right=Sum("score"), last=Max("sample")))
    found = []
    for item in model.published:
        ours = _ours(item.dataset, results, scored)
        real = [one for one in ours if not one.result.simulated]
        latest = next(iter([*real, *ours]), None)
        if latest is None:
            found.append(PublishedComparison(item, None, None, ()))
            continue
        as_many = [one for one in real if one.questions >= latest.questions]
        better = [one for one in as_many if one.share.value > latest.share.value]
        best = max(better, key=lambda one: one.share.value, default=None)
        found.append(PublishedComparison(item, latest, best, tuple(_why(item, model, latest))))
    return found


def _ours(
    dataset: str, results: Mapping[int, Result], scored: Iterable[tuple[int, str, int, float, int]]
) -> list[Ours]:
    by_result: dict[int, list[tuple[str, float, float, int]]] = {}
    for result_id, subset, answers, right, last in scored:
        if is_of(subset, _SETS.get(dataset, ())):
            samples = last + 1
            row = (subset, answers / samples, right / samples, samples)
            by_result.setdefault(result_id, []).append(row)
    ours = []
    for result_id, result in results.items():
        rows = by_result.get(result_id, [])
        total = round(sum(questions for _subset, questions, _right, _samples in rows))
        if total:
            share = wilson(sum(right for _subset, _questions, right, _samples in rows), total)
            subsets = tuple(subset for subset, *_rest in rows)
            least = min(samples for *_rest, samples in rows)
            ours.append(Ours(result, share, total, subsets, least))
    return ours


def is_share(item: Published) -> bool:
    """Return True if a published figure is an accuracy like ours."""
    return item.metric in _SHARES and item.unit == "%"


def _why(item: Published, model: ZooModel, ours: Ours) -> Iterable[Why]:
    remarks = {remark["id"]: remark["args"] for remark in ours.result.remarks}
    if not is_share(item):
        yield "metric"
    elif (
        item.metric.startswith("pass@1")
        and item.device == "paper"
        and model.prompting.samples > 1
        and ours.samples == 1
    ):
        yield "samples"
    if (item.dataset, item.device) in _OTHER_SETS:
        yield "split"
    others = str(remarks.get("evaluate:other_prompt", {}).get("sets", "")).split(", ")
    if any(subset in others for subset in ours.subsets):
        yield "prompt"
    if "evaluate:limited" in remarks:
        yield "limited"
    elif any(remark.startswith("evaluate:drawn") for remark in remarks) or ours.questions < (
        item.samples or _SIZES.get(item.dataset, 0)
    ):
        yield "part"
    if "evaluate:cut" in remarks or "evaluate:cut_guess" in remarks:
        yield "cut"


def is_of(subset: str, names: Iterable[str]) -> bool:
    """Return True if answers of ``subset`` belong to a set with these ``answer_names``."""
    return any(subset.startswith(name) if name[-1] in "/_-" else subset == name for name in names)


def prompt_sets() -> QuerySet[PromptSet]:
    return PromptSet.objects.filter(removed_at=None).select_related("created_by").defer("text")


def prompt_set(set_id: int) -> PromptSet | None:
    return PromptSet.objects.select_related("created_by").filter(pk=set_id).first()


def prompts_in(text: str) -> list[str]:
    return [json.loads(line)["prompt"] for line in text.split("\n") if line]


def team_prompts() -> tuple[TeamPrompts, ...]:
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


class ResultOnSet(NamedTuple):
    """Result with its share of correct answers on one set; None where the set has no share."""

    result: Result
    questions: int
    share: Interval | None


# "report": the host has not reported its folders yet.
Lack = Literal["", "report", "cards"]


class ListedSet(NamedTuple):
    """Data set in the list: of the catalogue, or of the team. ``latest``: its newest result that is
    neither simulated nor imported."""

    id: str
    name: str
    about: str
    questions: int
    data_set: DataSet | None
    team_set: TeamSet | None
    latest: ResultOnSet | None


class SetOnHost(NamedTuple):
    """Files of a set on a host, as its last job *Prepare datasets* counted them. ``folder``: where
    EvalScope reads them as files, "" if it does not ask the set. ``found``: file or pattern ->
    items; empty: never prepared there."""

    host: Host
    folder: str
    prepared: Dataset | None
    found: Sequence[tuple[str, int]]


def set_rows() -> list[ListedSet]:
    """Return all sets: the catalogue's in its order, then the team's in use."""
    evaluations = _evaluations()
    rows = []
    for one in DATA_SETS.values():
        latest = _latest(results_on(one.id, one.answer_names, evaluations))
        rows.append(ListedSet(one.id, one.name, one.about, one.questions, one, None, latest))
    for own in QUESTION_SETS.team():
        if not own.removed_at:
            latest, questions = _latest(results_on(own.id, (), evaluations)), own.current.questions
            rows.append(ListedSet(own.id, own.name, own.note, questions, None, own, latest))
    return rows


def results_of(set_id: str) -> list[ResultOnSet]:
    known = DATA_SETS.get(set_id)
    return results_on(set_id, known.answer_names if known else (), _evaluations())[:_RESULTS]


def _evaluations() -> list[Result]:
    rows = Result.objects.filter(type=Result.Type.EVALUATION)
    return list(rows.select_related("host", "deployment", "endpoint", "job")[:_EVALUATIONS])


def results_on(
    set_id: str, names: Sequence[str], evaluations: Iterable[Result]
) -> list[ResultOnSet]:
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
            found.append(ResultOnSet(result, *_pooled(rows)))
    return found


def _pooled(rows: Sequence[dict[str, object]]) -> tuple[int, Interval | None]:
    total, right = 0, 0.0
    for row in rows:
        value, questions = finite(row["value"]), whole(row["questions"])
        if row["metric"] not in SHARES or questions is None or value is None:
            return total, None
        total, right = total + questions, right + value / 100 * questions
    return total, wilson(right, total)


def _latest(results: Iterable[ResultOnSet]) -> ResultOnSet | None:
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
    hosts = () if data_set.included else Host.objects.order_by("name")
    return [(host, lack) for host in hosts if (lack := lack_of(data_set, host))]


def places_of(data_set: DataSet) -> list[SetOnHost]:
    """Return hosts that can ask the set, and what jobs found there of its files."""
    if data_set.included:
        return []
    prepared = {
        row.host_id: row for row in Dataset.objects.filter(name=OPENCOMPASS).order_by("created_at")
    }
    files = data_set.opencompass.files if data_set.opencompass else ()
    return [
        SetOnHost(
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
    return None if lack_of(data_set, host) else site_of(host.facts)


def lack_of(data_set: DataSet, host: Host) -> Lack:
    """Return what the host lacks to ask the set; OpenCompass asks from hosts with cards only."""
    try:
        site_of(host.facts)
    except KeyError:
        return "report"
    return "cards" if data_set.evalscope is None and not host.facts.get("dies") else ""


_MODEL_RESULTS, _MODEL_JOBS = 5, 20


class ModelStep(NamedTuple):
    """Next step of a model: the kind of job, and the values of its form."""

    kind: str
    filled: Mapping[str, str]
    place: "OnHost | None" = None

    @property
    def verb(self) -> str:
        """Return "prepare", "compile", "deploy", "benchmark" or "evaluate"."""
        return self.kind.partition("-")[0]


@dataclass(slots=True)
class OnHost:
    """Assets and deployments of a model on one host."""

    host: Host
    weights: list[Weights] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)

    @property
    def has_dies(self) -> bool:
        return bool(self.host.facts.get("dies"))

    @property
    def compiler(self) -> str:
        return "compile-vacc" if self.has_dies else "compile"

    @property
    def server(self) -> str:
        return "deploy-build-in" if self.has_dies else "deploy"

    def step_of(self, asset: Weights | Artifact, model: ZooModel) -> ModelStep:
        """Return the next step of an asset: served, or compiled first."""
        filled = {"host": self.host.name}
        if isinstance(asset, Artifact):
            return ModelStep(self.server, filled | {"artifact": str(asset.pk)}, self)
        filled["weights"] = str(asset.pk)
        if asset.details.get("format") or (self.has_dies and "build_in" not in model.paths):
            return ModelStep("deploy-vllm", filled, self)
        return ModelStep(self.compiler, filled, self)

    @property
    def assets(self) -> list[Weights | Artifact]:
        """Artifacts, then weights; the newest of each first."""
        return [*self.artifacts, *self.weights]

    @property
    def deployment(self) -> Deployment | None:
        """A ready one, else one that will be."""
        ready = [one for one in self.deployments if one.state == Deployment.State.READY]
        return next(iter([*ready, *self.deployments]), None)


class ModelRow(NamedTuple):
    """A model in the list. ``speed``, ``answers``: what stands for it, of ours, not simulated."""

    model: ZooModel
    hosts: Sequence[OnHost]
    speed: Result | None
    answers: Result | None

    @property
    def weights(self) -> int:
        return sum(bool(place.weights) for place in self.hosts)

    @property
    def artifacts(self) -> list[str]:
        return list(dict.fromkeys(a.label for place in self.hosts for a in place.artifacts))

    @property
    def deployments(self) -> list[Deployment]:
        return [deployment for place in self.hosts for deployment in place.deployments]

    @property
    def is_compiled(self) -> bool:
        """True if a way to serve the model begins with a compile job."""
        return not self.model.paths.keys().isdisjoint(_COMPILED)

    def next_step(self) -> ModelStep | None:
        """Return the next rung of the best host: one that answers before one that is away, real
        before simulated, then the one that is furthest. None: measured, or a server starts."""

        def rank(place: OnHost) -> tuple[bool, ...]:
            host, served = place.host, place.deployment
            is_ready = served is not None and served.state == Deployment.State.READY
            return (
                *(is_away(host), host.is_simulated),
                *(not is_ready, served is None, not place.artifacts),
            )

        place = min(self.hosts, key=rank, default=None)
        if place is None:
            kind = "prepare" if self.model.package else "prepare-weights"
            return ModelStep(kind, {"model": self.model.id})
        if served := place.deployment:
            filled = {"host": place.host.name, "deployment": str(served.pk)}
            if served.state != Deployment.State.READY or (self.speed and self.answers):
                return None
            if self.speed:
                return ModelStep("evaluate", filled, place)
            return ModelStep("benchmark", filled, place)
        return place.step_of(place.assets[0], self.model)


class ModelPage(NamedTuple):
    """One model: what each host has of it, its results, and open jobs that work on it: one of each
    group, and all."""

    row: ModelRow
    results: Sequence[Result]
    jobs: tuple[list[Job], QuerySet[Job]]


def model_rows() -> list[ModelRow]:
    return _rows(MODELS.values())


def model_page(model_id: str) -> ModelPage:
    """Raises KeyError: the catalogue has no such model."""
    (row,) = _rows([MODELS[model_id]])
    results = Result.objects.filter(model_id=model_id)
    results = results.select_related("host", "deployment", "endpoint")
    jobs = Job.objects.filter(
        Q(model_id=model_id) | Q(product__model_id=model_id) | Q(params__model=model_id),
        Job.in_states(Job.OPEN_STATES),
    ).select_related("host", "created_by")
    return ModelPage(row, list(results[:_MODEL_RESULTS]), (firsts(jobs, _MODEL_JOBS), jobs))


def deployable() -> tuple[ZooModel, ModelStep] | None:
    """Return a model that no host serves, and the job that would on a host that answers: a real one
    before a simulated one. None: no host has what a server needs."""
    found = []
    for model_id, hosts in _places(MODELS).items():
        if any(place.deployments for place in hosts):
            continue
        for place in hosts:
            steps = [place.step_of(one, MODELS[model_id]) for one in place.assets]
            if not is_away(place.host):
                found += [(MODELS[model_id], step) for step in steps if step.verb == "deploy"]
    return min(
        found, key=lambda one: bool(one[1].place and one[1].place.host.is_simulated), default=None
    )


def _rows(models: Iterable[ZooModel]) -> list[ModelRow]:
    wanted = {model.id: model for model in models}
    places = _places(wanted)
    return [
        ModelRow(
            model,
            places[model.id],
            _standing(model.id, Result.Type.BENCHMARK),
            _standing(model.id, Result.Type.EVALUATION),
        )
        for model in wanted.values()
    ]


def _places(wanted: Collection[str]) -> dict[str, list[OnHost]]:
    """Return what each host has of each of these models, by the hosts' names."""
    places: dict[str, dict[int, OnHost]] = {model_id: {} for model_id in wanted}

    def place(model_id: str, host: Host) -> OnHost:
        return places[model_id].setdefault(host.pk, OnHost(host))

    found = Weights.objects.filter(model_id__in=wanted).select_related("host")
    for weights in found.order_by("-pk"):  # the newest first
        place(weights.model_id, weights.host).weights.append(weights)
    artifacts = Artifact.objects.filter(model_id__in=wanted, deleted_at=None)
    for artifact in artifacts.select_related("host", "job").order_by("-pk"):
        place(artifact.model_id, artifact.host).artifacts.append(artifact)
    served = Deployment.objects.filter(model_id__in=wanted, state__in=Deployment.UP_STATES)
    for deployment in served.select_related("host", "artifact", "job"):
        place(deployment.model_id, deployment.host).deployments.append(deployment)
    return {
        model_id: sorted(hosts.values(), key=lambda one: one.host.name)
        for model_id, hosts in places.items()
    }


def _standing(model_id: str, result_type: str) -> Result | None:
    rows = Result.objects.filter(model_id=model_id, type=result_type, simulated=False)
    rows = rows.filter(endpoint=None, imported=None)  # of ours
    return best_first(rows.select_related("host")).first()
