"""The catalogue with what is there of each model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from jobs.catalog import MODELS, ZooModel
from jobs.models import Artifact, Deployment, Host, Job, Result, Weights
from jobs.queries.results.repeats import best_first

_RESULTS = 30
_UP = (Deployment.State.WAITING, *Deployment.LIVE_STATES)


@dataclass(slots=True)
class OnHost:
    """Assets and deployments of a model on one host."""

    host: Host
    weights: list[Weights] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)

    @property
    def has_dies(self) -> bool:
        """Return True for a VACC host, or a simulated one."""
        return bool(self.host.facts.get("dies"))

    @property
    def compiler(self) -> str:
        return "compile-vacc" if self.has_dies else "compile"

    @property
    def server(self) -> str:
        return "deploy-build-in" if self.has_dies else "deploy"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model in the list. ``speed`` and ``answers``: what stands for it, none simulated or
    imported.
    """

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


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One model: what each host has of it, its results, and open jobs that work on it."""

    row: ModelRow
    results: Sequence[Result]
    jobs: Sequence[Job]


def model_rows() -> list[ModelRow]:
    return _rows(MODELS.values())


def model_page(model_id: str) -> ModelPage:
    """One model. Raises KeyError: the catalogue has none of that id."""
    (row,) = _rows([MODELS[model_id]])
    results = Result.objects.filter(model_id=model_id)
    results = results.select_related("host", "deployment", "endpoint")
    jobs = Job.objects.filter(
        Q(model_id=model_id) | Q(product__model_id=model_id) | Q(params__model=model_id),
        state__in=Job.OPEN_STATES,
    ).select_related("host")
    return ModelPage(row, list(results[:_RESULTS]), list(jobs))


def _rows(models: Iterable[ZooModel]) -> list[ModelRow]:
    wanted = {model.id: model for model in models}
    places: dict[str, dict[int, OnHost]] = {model_id: {} for model_id in wanted}

    def place(model_id: str, host: Host) -> OnHost:
        return places[model_id].setdefault(host.pk, OnHost(host))

    for weights in Weights.objects.filter(model_id__in=wanted).select_related("host"):
        place(weights.model_id, weights.host).weights.append(weights)
    artifacts = Artifact.objects.filter(model_id__in=wanted, deleted_at=None)
    for artifact in artifacts.select_related("host", "job"):
        place(artifact.model_id, artifact.host).artifacts.append(artifact)
    served = Deployment.objects.filter(model_id__in=wanted, state__in=_UP)
    for deployment in served.select_related("host", "artifact"):
        place(deployment.model_id, deployment.host).deployments.append(deployment)
    return [
        ModelRow(
            model,
            sorted(places[model.id].values(), key=lambda item: item.host.name),
            _standing(model.id, Result.Type.BENCHMARK),
            _standing(model.id, Result.Type.EVALUATION),
        )
        for model in wanted.values()
    ]


def _standing(model_id: str, result_type: str) -> Result | None:
    rows = Result.objects.filter(model_id=model_id, type=result_type, simulated=False)
    rows = rows.filter(endpoint=None, imported=None)  # of ours
    return best_first(rows.select_related("host")).first()
