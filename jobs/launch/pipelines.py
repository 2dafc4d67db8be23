"""Pipelines, from a model's weights to a chat: their jobs and options; preview, preflight, launch.
A pipeline is one chain of jobs, all rows from the start. Existing assets of the host are reused."""

import json
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from jobs.base.errors import LaunchError, PlanError
from jobs.base.numbers import number_from
from jobs.catalog import MODELS, STACKS, ZooModel
from jobs.catalog.presets import EVALUATION_PRESETS, WORKLOADS
from jobs.kinds import KINDS
from jobs.kinds.compile import VaccCompileParams
from jobs.kinds.deploy import BATCH_SIZE
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import EXACT, AssetRef, Target
from jobs.kinds.lib.load import RANDOM
from jobs.launch.launch import LaunchPreview, draft_of, environment_of, launch, preview
from jobs.models import Host, Job
from jobs.plans import Check, Plan, Step, fill_text, literal, slots_in
from jobs.schedule import lifecycle
from jobs.schedule.capacity import common_place
from jobs.schedule.targets import promise, target_of
from jobs.tools.lib.environments import VLLM_CPU
from jobs.tools.vacc import images as vacc_images
from jobs.tools.vacc.downloads import DATASETS
from jobs.tools.vacc.site import vacc_site_of
from jobs.tools.vllm.serve import FORMAT

BOTH = "both"
PRECISIONS = ("int8", "fp16", BOTH)
CALIBRATIONS = tuple(item.name for item in DATASETS.values() if item.calibrates)
# Without those of matrices only: repeats for hours, published limits, lengths of one's own.
WORKLOAD_IDS = ("", "quick-look", "customer-report", "saturation")
EVALUATION_IDS = ("", *(name for name in EVALUATION_PRESETS if name != "own"))
TEMPLATE = 64  # tokens of a chat template around a random prompt, at most
_LENGTHS = frozenset({"max_answer", "max_length", "max_tokens"})
_MOST_LEVELS, _MOST_REQUESTS = 12, 1024
_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")

Finder = Callable[[Target], AssetRef | None]


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of a person. ``workload``, ``evaluation``: presets; "": the defaults of the forms."""

    as_in_guide: bool = False  # guide verbatim
    precision: str = PRECISIONS[0]  # of the compiled model; "both" for one server of each
    calibration: str = CALIBRATIONS[0]  # data set for int8
    concurrency: tuple[int, ...] = ()  # of HTTP benchmarks; empty: each kind's default
    bind: str = ""  # listen address in verbatim mode, in place of the guide's
    port: int = 0  # of the server; 0: a free one at launch, in verbatim mode the guide's
    workload: str = ""
    evaluation: str = ""


_DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """One job of a pipeline. A value ``@NAME`` is the product or existing asset of that job.
    ``there`` finds an asset that makes the job unnecessary. ``after`` names further jobs that come
    first: of a measurement the end is enough, any other must succeed."""

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    there: Finder | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Chain for some models. ``options``: fields of :class:`Options` that a person can set."""

    id: str
    title: str
    good_for: str
    suits: Callable[[ZooModel], bool]
    jobs: Callable[[ZooModel, str, Options], Sequence[PipelineStep]]  # of a model, with a stack
    needs_dies: bool = True
    options: tuple[str, ...] = ()


def read_options(
    data: Mapping[str, Any], offered: Collection[str]
) -> tuple[Options, dict[str, str]]:
    """Read options from a form or address. Return also the error of each invalid one; these, and
    those not ``offered``, keep their defaults."""
    read, errors = {}, {}
    for name in offered:
        try:
            if text := str(data.get(name, "")).strip():
                read[name] = _READ[name](text)
        except LaunchError as error:
            errors[name] = str(error)
    return Options(**read), errors


def _one_of(names: Collection[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            expected = ", ".join(filter(None, names))
            raise LaunchError(_("Choose one of %(expected)s."), expected=expected)
        return text

    return read


def _read_concurrency(text: str) -> tuple[int, ...]:
    levels = [number_from(word) or 0 for word in re.split(r"[\s,，、]+", text)]
    if len(levels) > _MOST_LEVELS or not all(1 <= level <= _MOST_REQUESTS for level in levels):
        message = _(
            "Enter at most %(count)d whole numbers from 1 to %(most)d, separated by "
            "commas: 1, 4, 16."
        )
        raise LaunchError(message, most=_MOST_REQUESTS, count=_MOST_LEVELS)
    return tuple(dict.fromkeys(levels))


def _read_bind(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise LaunchError(_("Enter an IPv4 address of the host, such as 192.0.2.10."))
    ports.refuse_address(text)
    return text


def _read_port(text: str) -> int:
    port = number_from(text)
    if port is None or (port and not ports.FIRST <= port <= ports.LAST):
        message = _("Enter a port from %(first)d to %(last)d. Empty: a free port at launch.")
        raise LaunchError(message, first=ports.FIRST, last=ports.LAST)
    return port


_READ: dict[str, Callable[[str], Any]] = {
    "as_in_guide": lambda text: text in ("1", "true", "on"),
    "precision": _one_of(PRECISIONS),
    "calibration": _one_of(CALIBRATIONS),
    "concurrency": _read_concurrency,
    "bind": _read_bind,
    "port": _read_port,
    "workload": _one_of(WORKLOAD_IDS),
    "evaluation": _one_of(EVALUATION_IDS),
}


# Assets on a host that make a job unnecessary.


def _existing(asset_type: str, **wanted: Any) -> Finder:
    """The first asset with these values; "" is also a missing one."""

    def is_wanted(ref: AssetRef) -> bool:
        return all((ref.data.get(name) or "") == value for name, value in wanted.items())

    return lambda target: next(filter(is_wanted, target.assets(asset_type)), None)


def _image(stack: str) -> Finder:
    """The image of this stack; images of other stacks do not count."""

    def find(target: Target) -> AssetRef | None:
        try:
            name = vacc_images.reference(STACKS[stack], vacc_site_of(target.facts))
        except (KeyError, ValueError):  # no folders or no registry: the form shows the error
            return None
        return _existing("environment", path=name)(target)

    return find


def _build_in(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineStep]:
    """Weights, VACC patch, calibration data; of each precision compile, deploy, benchmark,
    evaluate. Precisions run in sequence, because other work disturbs a benchmark."""
    precisions = ("fp16", "int8") if options.precision == BOTH else (options.precision,)
    own = _existing("weights", model_id=model.id)

    def modified(target: Target) -> AssetRef | None:
        ref = own(target)
        return ref if ref is not None and ref.data.get("modification") else None

    jobs = [PipelineStep("weights", "prepare-weights", {"model": model.id}, own)]
    if "int8" in precisions:
        data = options.calibration
        there = _existing("dataset", name=data)
        jobs.append(PipelineStep("dataset", "prepare-datasets", {"dataset": data}, there))
    if model.modification:
        weights = {"weights": "@weights"}
        jobs.append(PipelineStep("modification", "apply-modification", weights, modified))
    jobs += _tools(_evaluation(options)[0])
    measured: Sequence[str] = ()
    for precision in precisions:
        params: dict[str, Any] = {"weights": "@weights", "precision": precision}
        params |= _shape(options)
        after = ["modification", *measured]  # a compile would disturb measurements
        if precision == "int8":
            # In verbatim mode vamc uses existing calibration data: it is prepared first.
            params["calibration"] = "@dataset"
            after.append("dataset")
        compiled = PipelineStep(f"artifact-{precision}", "compile-vacc", params, after=(*after,))
        server, *measurements = _served(precision, options)
        jobs += [compiled, server, *measurements]
        measured = [job.name for job in measurements]
    return jobs


def _shape(options: Options) -> dict[str, int]:
    """Lengths to compile for, multiples of 16: the usual ones, or what the workload needs."""
    if not options.workload:
        return {}
    workload, usual = WORKLOADS[options.workload], VaccCompileParams.model_fields
    prompt, output = max(workload.input_tokens) + TEMPLATE, max(workload.output_tokens)
    longest = max(usual["max_input"].default, -(-prompt // 16) * 16)
    whole = longest + -(-output // 16) * 16
    return {"max_input": longest, "max_length": max(usual["max_length"].default, whole)}


def _served(precision: str, options: Options) -> list[PipelineStep]:
    deployment = {"deployment": f"@deployment-{precision}"}
    loads = _loads(options)
    room = max([BATCH_SIZE, *(level for load in loads for level in load.get("concurrency", ()))])
    batch = {"batch_size": room} if room > BATCH_SIZE else {}
    served = {"artifact": f"@artifact-{precision}", **batch}
    jobs = [PipelineStep(f"deployment-{precision}", "deploy-build-in", served)]
    for number, load in enumerate(loads, 1):
        name = f"benchmark-{precision}" if number == 1 else f"benchmark-{precision}-{number}"
        last = () if number == 1 else (jobs[-1].name,)
        jobs.append(PipelineStep(name, "benchmark", {**deployment, **load}, after=last))
    kind, values = _evaluation(options)
    after = (jobs[-1].name, *(job.name for job in _tools(kind)))
    jobs.append(
        PipelineStep(f"evaluation-{precision}", kind, {**deployment, **values}, after=after)
    )
    return jobs


def _loads(options: Options) -> list[Mapping[str, Any]]:
    if not options.workload:
        return [_load(options)]
    workload = WORKLOADS[options.workload]
    levels = options.concurrency or workload.concurrency
    requests = workload.requests or (workload.requests_each or 1) * max(levels)
    return [
        {
            "prompts": RANDOM,
            "input_tokens": prompt,
            "output_tokens": output,
            "concurrency": levels,
            "requests": requests,
        }
        for output in workload.output_tokens
        for prompt in workload.input_tokens
    ]


def _load(options: Options) -> Mapping[str, Any]:
    return {"concurrency": options.concurrency} if options.concurrency else {}


def _evaluation(options: Options) -> tuple[str, Mapping[str, Any]]:
    if not options.evaluation:
        return "evaluate", {}
    kind, values = next(iter(EVALUATION_PRESETS[options.evaluation].kinds.items()))
    # Their lengths follow the deployment, whose context was compiled.
    values = {name: value for name, value in values.items() if name not in _LENGTHS}
    several = {"datasets": values["datasets"].split(", ")} if "datasets" in values else {}
    return kind, {**values, **several}


def _tools(evaluation: str) -> Sequence[PipelineStep]:
    """Return the jobs that prepare what a kind of evaluation needs, except its environment."""
    if evaluation != "evaluate-opencompass":
        return ()
    name, data = "opencompass", {"dataset": "opencompass"}
    tool, unpacked = _existing("environment", name=name), _existing("dataset", name=name)
    return (
        PipelineStep(name, "prepare-opencompass", there=tool),
        # Unpacked in the checkout, like in the guide.
        PipelineStep("opencompass-data", "prepare-datasets", data, unpacked, after=(name,)),
    )


def _pytorch(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineStep]:
    """Image, weights, both offline benchmarks, then the server, because all need the same dies;
    the guide's evaluation, or that with built-in questions, which need no hub."""
    address: dict[str, Any] = {"bind": options.bind} if options.bind else {}
    # A port that is free now may be in use in some hours.
    if options.port or not options.as_in_guide:
        address["port"] = options.port
    evaluation = "evaluate-opencompass" if STACKS[stack].evaluation.opencompass else "evaluate"
    tools = _tools(evaluation)
    weights, deployment = {"weights": "@weights"}, {"deployment": "@deployment"}
    own = _existing("weights", model_id=model.id)
    return [
        PipelineStep("image", "build-images", there=_image(stack)),
        PipelineStep("weights", "prepare-weights", {"model": model.id}, own),
        PipelineStep("throughput", "benchmark-throughput", weights, after=("image",)),
        PipelineStep("latency", "benchmark-latency", weights, after=("image", "throughput")),
        PipelineStep(
            "deployment", "deploy-vllm", {**weights, **address}, after=("image", "latency")
        ),
        PipelineStep("online", "benchmark-online", {**deployment, **_load(options)}),
        *tools,
        PipelineStep(
            *("evaluation", evaluation, deployment), after=("online", *(job.name for job in tools))
        ),
    ]


def _vllm_cpu(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineStep]:
    tool = {"what": "environment", "environment": VLLM_CPU}
    file, weights = {"what": "weights", "model": model.id}, {"weights": "@weights"}
    original = _existing("weights", model_id=model.id, format="")
    unpacked = _existing("weights", model_id=model.id, format=FORMAT)
    online = {"deployment": "@deployment", "concurrency": options.concurrency or (1, 4)}
    return [
        PipelineStep("environment", "prepare", tool, _existing("environment", name=VLLM_CPU)),
        PipelineStep("file", "prepare", file, original),
        PipelineStep(
            "weights", "convert-weights", {"weights": "@file"}, unpacked, after=("environment",)
        ),
        PipelineStep("throughput", "benchmark-throughput", weights),
        # In sequence, because they would disturb each other.
        PipelineStep("latency", "benchmark-latency", weights, after=("throughput",)),
        PipelineStep("deployment", "deploy-vllm", weights, after=("latency",)),
        PipelineStep("online", "benchmark-online", online),
    ]


_ALL = [
    Pipeline(
        "build-in",
        "Build_In",
        gettext_noop("Weights, compile, server, benchmark, evaluation: a distill on a few dies."),
        lambda model: "build_in" in model.paths,
        _build_in,
        options=(
            *("as_in_guide", "precision", "calibration", "concurrency", "workload", "evaluation"),
        ),
    ),
    Pipeline(
        "pytorch",
        "PyTorch",
        gettext_noop("Image, weights, server, benchmarks, evaluation: vLLM over many dies."),
        # Served by vLLM on dies, not the packaged small one.
        lambda model: "vllm" in model.paths and model.package is None,
        _pytorch,
        options=("as_in_guide", "concurrency", "port", "bind"),
    ),
    Pipeline(
        "vllm-cpu",
        "vLLM on this CPU",
        gettext_noop("Weights, server, benchmarks, evaluation: vLLM on a processor."),
        lambda model: "vllm" in model.paths and model.package is not None,
        _vllm_cpu,
        needs_dies=False,
        options=("concurrency",),
    ),
]
PIPELINES = {pipeline.id: pipeline for pipeline in _ALL}
_DIES = "dies"  # the slot of a chain's checks: the largest choice of its jobs


@dataclass(frozen=True, slots=True)
class Stage:
    """Job of a pipeline on one host; ``there``: existing asset that makes it unnecessary."""

    job: PipelineStep
    there: AssetRef | None


@dataclass(frozen=True, slots=True)
class Draft:
    """Draft of a stage; ``job`` is unsaved, None without a plan. ``number`` is its position in the
    chain, from 1; ``after`` are the positions it depends on."""

    stage: Stage
    number: int
    preview: LaunchPreview | None = None  # None: no job needed
    job: Job | None = None
    after: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        return self.job.title if self.job else ""

    @property
    def product(self) -> Mapping[str, Any]:
        return (self.job.product if self.job else None) or {}

    @property
    def is_in_guide(self) -> bool:
        """True if the guide has the command, so that verbatim mode applies."""
        return EXACT in KINDS[self.stage.job.kind].Params.model_fields

    @property
    def ports(self) -> dict[str, int]:
        """Ports of its server: name → port, 0 for a port set at launch."""
        if self.preview is None or self.product.get("type") != "deployment":
            return {}
        details = self.product.get("details") or {}
        own = {name: int(details[name]) for name in ports.LLMDEPLOY_PORTS if details.get(name)}
        return {"port": int(self.preview.open_slots.get("port") or 0), **own}


def pipelines_of(model: ZooModel) -> list[Pipeline]:
    return [pipeline for pipeline in PIPELINES.values() if pipeline.suits(model)]


def stages(
    pipeline: Pipeline, model: ZooModel, target: Target, stack: str, options: Options = _DEFAULTS
) -> list[Stage]:
    """The pipeline's stages on a host in order, without tool environments."""
    return [
        Stage(job, job.there(target) if job.there else None)
        for job in pipeline.jobs(model, stack, options)
    ]


def drafts(
    pipeline: Pipeline,
    model: ZooModel,
    host: Host,
    stack: str,
    options: Options = _DEFAULTS,
    *,
    user: AbstractBaseUser | None = None,
) -> list[Draft]:
    """The plan of each job, as :func:`launch_pipeline` creates it, environments before the job that
    needs them. A stage that cannot be planned blocks the stages that use its product."""
    target = target_of(host)
    drafted: list[Draft] = []
    keys: dict[str, str] = {}  # a job's name -> its product or existing asset
    numbers: dict[str, int] = {}  # a job's name -> its position, unless unnecessary

    def add(stage: Stage) -> None:
        """Add the next stage, after the environments it needs; then the host has its product."""
        nonlocal target
        job, kind = stage.job, KINDS[stage.job.kind]
        if stage.there is not None:
            keys[job.name] = stage.there.key
            drafted.append(Draft(stage, len(drafted) + 1))
            return
        raw = _raw(job, keys, stack, options)
        planned = preview(job.kind, raw, host, target, user=user)
        for name in planned.will_add:
            tool = {"what": "environment", "environment": name}
            add(Stage(PipelineStep(f"environment-{name}", "prepare", tool), None))
        if planned.will_add:
            planned = preview(job.kind, raw, host, target, user=user)
        number, after = len(drafted) + 1, {numbers[one] for one in job.after if one in numbers}
        keys[job.name], numbers[job.name] = f"job:-{number}", number
        if planned.plan is None:
            drafted.append(Draft(stage, number, planned, after=tuple(sorted(after))))
            return
        row = draft_of(kind, planned, target)
        needed = [environment_of(name, target) for name in kind.needs(planned.params, target)]
        used = [ref.get("job", 0) for ref in row.inputs.values()]
        used += [ref.job or 0 for ref in needed if ref]
        after |= {-job for job in used if job < 0}
        drafted.append(Draft(stage, number, planned, row, tuple(sorted(after))))
        if row.product:
            # The port to show; 0 if the preferred one is in use.
            port, address = int(planned.open_slots.get("port") or 0), planned.plan.address
            ref = promise(row.product, row.title, host, job=-number, port=port, address=address)
            target = target.with_asset(ref)

    for stage in stages(pipeline, model, target, stack, options):
        add(stage)
    return drafted


def _raw(
    job: PipelineStep, keys: Mapping[str, str], stack: str, options: Options
) -> dict[str, Any]:
    """Params of the job; ``keys``: a job's name -> its product or existing asset."""
    fields = KINDS[job.kind].Params.model_fields
    raw = {
        name: keys[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for name, value in job.params.items()
    }
    common = {"stack": stack, EXACT: options.as_in_guide}
    return {name: value for name, value in common.items() if name in fields} | raw


def checks_of(pipeline: Pipeline, planned: Sequence[Draft]) -> tuple[Plan, dict[str, str]] | None:
    """One preflight for a whole chain, with known slots; None: nothing to check. Left out: checks
    of what an earlier job makes. A disk needs room for the job and for those before it."""
    made: list[str] = []
    disks: list[dict[str, str]] = []
    wanted: dict[Check, None] = {}
    dies = ""
    for draft in planned:
        if draft.preview is None or draft.preview.plan is None:
            continue
        dies = max(dies, draft.preview.open_slots.get(_DIES, ""), key=len)
        for check in draft.preview.plan.checks:
            filled = _filled(check, draft.preview.values)
            if filled is None:
                continue
            if check.name == "disk":  # folders of earlier jobs need room, and give none
                if disks and not check.asks:  # a confirmation names a check by its arguments
                    before = ("before", literal(json.dumps(disks)))
                    disks.append(dict(filled.args))
                    filled = replace(filled, args=(*filled.args, before))
                else:
                    disks.append(dict(filled.args))
            elif common_place([value for _name, value in filled.args], made):
                continue
            wanted[filled] = None
        # Places and names of what the job makes.
        made += [str(draft.product[name]) for name in ("path", "name") if draft.product.get(name)]
        made += draft.preview.plan.writes
    if not wanted:
        return None
    checked = Plan(kind=pipeline.id, steps=(Step("check", ("true",)),), checks=tuple(wanted))
    return checked, {_DIES: dies} if dies else {}


def _filled(check: Check, values: Mapping[str, str]) -> Check | None:
    """The check with the values of its own job; None: they are set later."""
    kept = {**values, _DIES: f"{{{_DIES}}}"}
    try:
        args = tuple(
            (name, value if slots_in(value) <= {_DIES} else literal(fill_text(value, kept)))
            for name, value in check.args
        )
    except PlanError:
        return None
    return replace(check, args=args)


def launch_pipeline(
    pipeline_id: str,
    model_id: str,
    *,
    host: Host,
    stack: str,
    user: AbstractBaseUser | None,
    options: Options = _DEFAULTS,
    confirmed: Sequence[Mapping[str, Any]] = (),
) -> list[Job]:
    """Launch every job of the pipeline as one chain, or none; return the jobs, environments
    included. ``confirmed``: see :func:`jobs.launch.launch.launch`. Raises ``LaunchError``."""
    pipeline, model = PIPELINES.get(pipeline_id), MODELS.get(model_id)
    if pipeline is None or model is None or not pipeline.suits(model):
        raise LaunchError(_("This model has no such pipeline."), "pipeline")
    chain, made, keys = uuid.uuid4(), dict[str, Job](), dict[str, str]()
    with transaction.atomic():
        host = lifecycle.lock_host(host.pk)
        for stage in stages(pipeline, model, target_of(host), stack, options):
            job = stage.job
            if stage.there is not None:
                keys[job.name] = stage.there.key
                continue
            made[job.name] = launch(
                job.kind,
                _raw(job, keys, stack, options),
                host=host,
                user=user,
                chain=chain,
                after=[made[name] for name in job.after if name in made],
                confirmed=confirmed,
            )
            keys[job.name] = f"job:{made[job.name].pk}"
        return list(Job.objects.filter(chain=chain).select_related("host").order_by("pk"))
