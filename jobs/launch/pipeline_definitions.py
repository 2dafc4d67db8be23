"""The pipelines, from a model's weights to a chat: their jobs, dependencies and options."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import STACKS, ZooModel
from jobs.catalog.presets import EVALUATION_PRESETS, WORKLOADS
from jobs.kinds.compile.compile_vacc import Params as CompileParams
from jobs.kinds.deploy.deploy_build_in import BATCH_SIZE
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import AssetRef, Target
from jobs.kinds.lib.load import RANDOM
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
    """``as_in_guide``: guide verbatim. ``precision``: compiled precision, "both" for one server of
    each. ``calibration``: data set for int8. ``concurrency`` of HTTP benchmarks; empty: each kind's
    default. ``workload``, ``evaluation``: presets of the catalogue; "": the defaults of the forms.
    ``bind``: listen address in verbatim mode, in place of the guide's. ``port`` of the server: 0
    for a free one at launch; in verbatim mode the guide's."""

    as_in_guide: bool = False
    precision: str = PRECISIONS[0]
    calibration: str = CALIBRATIONS[0]
    concurrency: tuple[int, ...] = ()
    bind: str = ""
    port: int = 0
    workload: str = ""
    evaluation: str = ""


@dataclass(frozen=True, slots=True)
class PipelineJob:
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
    """Chain for some models, on hosts with or without dies. ``options`` names the fields of
    :class:`Options` that a person can set."""

    id: str
    title: str
    suits: Callable[[ZooModel], bool]
    jobs: Callable[[ZooModel, str, Options], Sequence[PipelineJob]]  # of a model, with a stack
    needs_dies: bool = True
    options: tuple[str, ...] = ()


def read_options(data: Mapping[str, str], offered: Collection[str]) -> Options:
    """Read options from a form or address; those not ``offered`` keep their defaults. Raises
    ``LaunchError``: an option is invalid; its ``field`` is the option."""
    given = {
        item.name: str(data.get(item.name, "")).strip() if item.name in offered else ""
        for item in fields(Options)
    }
    return Options(
        as_in_guide=given["as_in_guide"] in ("1", "true", "on"),
        precision=_one_of(given, "precision", PRECISIONS),
        calibration=_one_of(given, "calibration", CALIBRATIONS),
        concurrency=_numbers(given["concurrency"]),
        bind=_address(given["bind"]),
        port=_port(given["port"]),
        workload=_one_of(given, "workload", WORKLOAD_IDS),
        evaluation=_one_of(given, "evaluation", EVALUATION_IDS),
    )


def _one_of(given: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    if given[name] and given[name] not in known:
        message = _("Choose one of %(expected)s.") % {"expected": ", ".join(known)}
        raise LaunchError(message, name)
    return given[name] or known[0]


def _numbers(text: str) -> tuple[int, ...]:
    parts = re.split(r"[\s,，、]+", text) if text else []
    words = [word for word in parts if word.isascii() and word.isdecimal() and len(word) <= 4]
    numbers = [number for word in words if 1 <= (number := int(word)) <= _MOST_REQUESTS]
    if len(numbers) < len(parts) or len(numbers) > _MOST_LEVELS:
        limits = {"most": _MOST_REQUESTS, "count": _MOST_LEVELS}
        message = _(
            "Enter at most %(count)d whole numbers from 1 to %(most)d, separated by "
            "commas: 1, 4, 16."
        )
        raise LaunchError(message % limits, "concurrency")
    return tuple(dict.fromkeys(numbers))


def _address(text: str) -> str:
    if text and not _ADDRESS.fullmatch(text):
        raise LaunchError(_("Enter an IPv4 address of the host, such as 192.0.2.10."), "bind")
    ports.refuse_address(text)
    return text


def _port(text: str) -> int:
    if not text:
        return 0
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else -1
    if number and not ports.FIRST <= number <= ports.LAST:
        message = _("Enter a port from %(first)d to %(last)d. Empty: a free port at launch.")
        raise LaunchError(message % {"first": ports.FIRST, "last": ports.LAST}, "port")
    return number


# Assets on a host that make a job unnecessary.


def _existing(asset_type: str, **wanted: Any) -> Finder:
    """The first asset with these values; "" is also a missing one."""

    def find(target: Target) -> AssetRef | None:
        for ref in target.assets(asset_type):
            if all((ref.data.get(name) or "") == value for name, value in wanted.items()):
                return ref
        return None

    return find


def _modified_weights(model: ZooModel) -> Finder:
    def find(target: Target) -> AssetRef | None:
        ref = _existing("weights", model_id=model.id)(target)
        return ref if ref is not None and ref.data.get("modification") else None

    return find


def _image(stack: str) -> Finder:
    """The image of this stack; images of other stacks do not count."""

    def find(target: Target) -> AssetRef | None:
        try:
            name = vacc_images.reference(STACKS[stack], vacc_site_of(target.facts))
        except (KeyError, ValueError):  # no folders or no registry: the form shows the error
            return None
        return _existing("environment", path=name)(target)

    return find


def _build_in(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    """Weights, VACC patch, calibration data; of each precision compile, deploy, benchmark,
    evaluate. Precisions run in sequence, because other work disturbs a benchmark."""
    precisions = ("fp16", "int8") if options.precision == BOTH else (options.precision,)
    own = _existing("weights", model_id=model.id)
    jobs = [PipelineJob("weights", "prepare-weights", {"model": model.id}, own)]
    if "int8" in precisions:
        data = options.calibration
        there = _existing("dataset", name=data)
        jobs.append(PipelineJob("dataset", "prepare-datasets", {"dataset": data}, there))
    if model.modification:
        weights, there = {"weights": "@weights"}, _modified_weights(model)
        jobs.append(PipelineJob("modification", "apply-modification", weights, there))
    jobs += _evaluation_tools(options)
    measured: Sequence[str] = ()
    for precision in precisions:
        server, *measurements = _served(precision, options)
        jobs += [_compiled(precision, measured, options), server, *measurements]
        measured = [job.name for job in measurements]
    return jobs


def _compiled(precision: str, measured: Sequence[str], options: Options) -> PipelineJob:
    """In verbatim mode vamc uses existing calibration data: it is prepared first. ``measured``:
    measurements that a compile would disturb. The lengths are those that the chosen workload needs,
    if it needs longer ones."""
    params: dict[str, Any] = {"weights": "@weights", "precision": precision}
    after = ["modification"]
    if precision == "int8":
        params["calibration"] = "@dataset"
        after.append("dataset")
    if options.workload:
        workload, compiled = WORKLOADS[options.workload], CompileParams.model_fields
        prompt = _stepped(max(workload.input_tokens) + TEMPLATE)
        params["max_input"] = max(compiled["max_input"].default, prompt)
        whole = params["max_input"] + _stepped(max(workload.output_tokens))
        params["max_length"] = max(compiled["max_length"].default, whole)
    name = f"artifact-{precision}"
    return PipelineJob(name, "compile-vacc", params, after=(*after, *measured))


def _stepped(tokens: int) -> int:
    """The next multiple of 16, which a compile needs."""
    return -(-tokens // 16) * 16


def _served(precision: str, options: Options) -> list[PipelineJob]:
    deployment = {"deployment": f"@deployment-{precision}"}
    loads = _loads(options)
    room = max([BATCH_SIZE, *(level for load in loads for level in load.get("concurrency", ()))])
    batch = {"batch_size": room} if room > BATCH_SIZE else {}
    served = {"artifact": f"@artifact-{precision}", **batch}
    jobs = [PipelineJob(f"deployment-{precision}", "deploy-build-in", served)]
    for number, load in enumerate(loads, 1):
        name = f"benchmark-{precision}" if number == 1 else f"benchmark-{precision}-{number}"
        last = () if number == 1 else (jobs[-1].name,)
        jobs.append(PipelineJob(name, "benchmark", {**deployment, **load}, after=last))
    kind, values = _evaluation(options)
    after = (jobs[-1].name, *(job.name for job in _evaluation_tools(options)))
    jobs.append(PipelineJob(f"evaluation-{precision}", kind, {**deployment, **values}, after=after))
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


def _evaluation_tools(options: Options) -> Sequence[PipelineJob]:
    return _opencompass_tools() if _evaluation(options)[0] == "evaluate-opencompass" else ()


def _opencompass_tools() -> Sequence[PipelineJob]:
    name, data = "opencompass", {"dataset": "opencompass"}
    tool, unpacked = _existing("environment", name=name), _existing("dataset", name=name)
    return (
        PipelineJob(name, "prepare-opencompass", there=tool),
        # Unpacked in the checkout, like in the guide.
        PipelineJob("opencompass-data", "prepare-datasets", data, unpacked, after=(name,)),
    )


def _pytorch(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    """Image, weights, both offline benchmarks, then the server, because all need the same dies;
    the guide's evaluation, or that with built-in questions, which need no hub."""
    address: dict[str, Any] = {"bind": options.bind} if options.bind else {}
    # A port that is free now may be in use in some hours.
    if options.port or not options.as_in_guide:
        address["port"] = options.port
    has_opencompass = STACKS[stack].evaluation.opencompass
    tools = _opencompass_tools() if has_opencompass else ()
    weights, deployment = {"weights": "@weights"}, {"deployment": "@deployment"}
    own = _existing("weights", model_id=model.id)
    return [
        PipelineJob("image", "build-images", there=_image(stack)),
        PipelineJob("weights", "prepare-weights", {"model": model.id}, own),
        PipelineJob("throughput", "benchmark-throughput", weights, after=("image",)),
        PipelineJob("latency", "benchmark-latency", weights, after=("image", "throughput")),
        PipelineJob(
            "deployment", "deploy-vllm", {**weights, **address}, after=("image", "latency")
        ),
        PipelineJob("online", "benchmark-online", {**deployment, **_load(options)}),
        *tools,
        PipelineJob(
            "evaluation",
            "evaluate-opencompass" if has_opencompass else "evaluate",
            deployment,
            after=("online", *(job.name for job in tools)),
        ),
    ]


def _vllm_cpu(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    tool = {"what": "environment", "environment": VLLM_CPU}
    file, weights = {"what": "weights", "model": model.id}, {"weights": "@weights"}
    original = _existing("weights", model_id=model.id, format="")
    unpacked = _existing("weights", model_id=model.id, format=FORMAT)
    online = {"deployment": "@deployment", "concurrency": options.concurrency or (1, 4)}
    return [
        PipelineJob("environment", "prepare", tool, _existing("environment", name=VLLM_CPU)),
        PipelineJob("file", "prepare", file, original),
        PipelineJob(
            "weights", "convert-weights", {"weights": "@file"}, unpacked, after=("environment",)
        ),
        PipelineJob("throughput", "benchmark-throughput", weights),
        # In sequence, because they would disturb each other.
        PipelineJob("latency", "benchmark-latency", weights, after=("throughput",)),
        PipelineJob("deployment", "deploy-vllm", weights, after=("latency",)),
        PipelineJob("online", "benchmark-online", online),
    ]


_ALL = (
    Pipeline(
        "build-in",
        "Build_In",
        lambda model: "build_in" in model.paths,
        _build_in,
        options=(
            *("as_in_guide", "precision", "calibration", "concurrency", "workload", "evaluation"),
        ),
    ),
    Pipeline(
        "pytorch",
        "PyTorch",
        # Served by vLLM on dies, not the packaged small one.
        lambda model: "vllm" in model.paths and model.package is None,
        _pytorch,
        options=("as_in_guide", "concurrency", "port", "bind"),
    ),
    Pipeline(
        "vllm-cpu",
        "vLLM on this CPU",
        lambda model: "vllm" in model.paths and model.package is not None,
        _vllm_cpu,
        needs_dies=False,
        options=("concurrency",),
    ),
)
PIPELINES: dict[str, Pipeline] = {pipeline.id: pipeline for pipeline in _ALL}
