"""Readings of jobs: outputs in, Outcome out; the end of a log in, progress out.

Here are those of jobs that make something or start a server: what is there now, in one sentence.
Kinds name functions of this room as `reads` and `progress`. The web process never imports it: it
asks a confined worker.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar

from django.utils.module_loading import import_string
from pydantic import BaseModel, Field, ValidationError

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import size_text
from jobs.base.sanitize import ESCAPES
from jobs.kinds import KINDS
from jobs.kinds.compile import details_of, label_of
from jobs.kinds.lib.base import Kind
from jobs.kinds.lib.vacc import model_of
from jobs.kinds.prepare import environment_of, weights_of
from jobs.metrics.measured import EngineAbout, Glance, Outcome, Progress, TableScore
from jobs.plans import Plan
from jobs.tools.greedy_probe import commands as greedy_probe
from jobs.tools.greedy_probe import parser as probe
from jobs.tools.lib import folders
from jobs.tools.opencompass.commands import NAME
from jobs.tools.opencompass.reading import HEAD, parse_csv, parse_markdown
from jobs.tools.outputs import engine_about
from jobs.tools.outputs.files import Ended
from jobs.tools.outputs.progress import draws_bar
from jobs.tools.vacc.downloads import DATASETS


def read_outcome(kind: Kind, params: Any, plan: Plan, outputs: Mapping[str, bytes]) -> Outcome:
    """Return what an ended job measured or made.
    ``outputs`` is path -> content, and LOG -> the end of the log."""
    outcome: Outcome = function_of(kind.reads)(Ended(kind, params, plan, outputs))
    return outcome


def progress_of(kind: str, tail: bytes) -> Progress | None:
    name = KINDS[kind].progress if kind in KINDS else ""
    if not name:
        return None
    text = ESCAPES.sub(b"", tail).decode("utf-8", errors="replace")
    found: Progress | None = function_of(name)(text)
    return found


def function_of(name: str) -> Any:
    """By the name that a kind gives, such as "tools.vllm.reading.online"."""
    return import_string(f"jobs.{name}")


# Reports of our scripts.
Report = TypeVar("Report", bound=BaseModel)


def _report(ended: Ended, path: str, report: type[Report]) -> Report:
    if path not in ended.outputs:
        raise ParseError(f"{path} is missing")
    try:
        return report.model_validate_json(ended.outputs[path])
    except ValidationError as error:
        raise ParseError(f"{path} is not what its script writes: {error}") from error


class WeightsReport(BaseModel):
    """weights.json of fetch_weights.py."""

    path: str
    bytes: int
    sha256: str
    precision: str


class ShardsReport(WeightsReport):
    """weights.json of verify_weights.py. ``checked``: "sha256" if every shard was read, "sizes" if
    only measured. ``compared``: number of shards with a checksum of the hub."""

    shards: int = Field(ge=1)
    checked: Literal["sizes", "sha256"]
    compared: int


class EnvironmentReport(BaseModel):
    """versions.json of verify_environment.py. ``bytes`` is the size of the whole folder."""

    path: str
    bytes: int
    versions: dict[str, str]


class ArtifactSource(BaseModel):
    """Source of an artifact."""

    bytes: int
    precision: str


class ArtifactReport(BaseModel):
    """artifact.json of llama_quantise.py. ``tensors`` counts them by type."""

    path: str
    bytes: int
    sha256: str
    type: str
    tensors: dict[str, int]
    source: ArtifactSource


class FolderReport(BaseModel):
    """artifact.json of verify_folder.py. ``deploy_config``: llmdeploy's file, "" for none."""

    path: str
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    files: int = Field(ge=1)
    new_files: int = Field(ge=1)
    tokenizer: bool
    deploy_config: str


class ReadyReport(BaseModel):
    """ready.json of wait_ready.py."""

    seconds: float = Field(ge=0)


class CollectedReport(BaseModel):
    """collected.json of collect_results.py. ``left_out``: files and folders that an import may
    miss; ``other_files``: hidden ones and other formats."""

    folder: str
    files: int = Field(ge=1)
    bytes: int = Field(ge=0)
    left_out: int = Field(ge=0)
    other_files: int = Field(ge=0)


class ImageReport(BaseModel):
    """image.json of inspect_image.py. ``versions``: of the packages in the image."""

    name: str
    id: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    bytes: int
    architecture: str
    versions: dict[str, str]


class ModificationReport(BaseModel):
    """modification.json of apply_modification.py: name of a file -> its checksum ("" for none)."""

    path: str
    done: Literal["shown", "applied", "undone"]
    files: dict[str, str]


class DatasetReport(BaseModel):
    """dataset.json of verify_dataset.py. ``counts``: items by path, ``known``: items of the whole
    set. ``sha256``: of paths and contents of its files."""

    name: str
    path: str
    files: int = Field(ge=1)
    bytes: int = Field(ge=1)
    counts: dict[str, int]
    known: dict[str, int]
    sha256: str


def _environment(ended: Ended, title: str, main: str) -> Outcome:
    made = _report(ended, "versions.json", EnvironmentReport)
    args = {
        "environment": title,
        "version": made.versions.get(main, ""),
        "packages": len(made.versions),
        "size": size_text(made.bytes),
    }
    return Outcome(
        message=Message("prepare:environment", args),
        product=made.model_dump(include={"path", "versions"}),
    )


def opencompass(ended: Ended) -> Outcome:
    return _environment(ended, "OpenCompass", NAME)


def installed(ended: Ended) -> Outcome:
    if ended.params.what == "environment":
        environment = environment_of(ended.params)
        return _environment(ended, environment.title, environment.main)
    report = _report(ended, "weights.json", WeightsReport)
    args = {"model": weights_of(ended.params)[0].name, "size": size_text(report.bytes)}
    return Outcome(message=Message("prepare:weights", args), product=report.model_dump())


def weights(ended: Ended) -> Outcome:
    report, model = _report(ended, "weights.json", ShardsReport), model_of(ended.params.model)
    args = {"model": model.name, "size": size_text(report.bytes), "shards": report.shards}
    message = Message("weights:measured", args)
    if report.compared:
        message = Message("weights:compared", {**args, "compared": report.compared})
    elif report.checked == "sha256":
        message = Message("weights:read", args)
    details = {
        "hub_id": model.hub_id,
        "revision": ended.params.revision,
        **report.model_dump(include={"shards", "checked", "compared"}),
    }
    product = report.model_dump(include={"path", "bytes", "sha256", "precision"})
    return Outcome(message=message, product={**product, "details": details})


def modification(ended: Ended) -> Outcome:
    done = _report(ended, "modification.json", ModificationReport)
    args = {"files": len(done.files), "path": done.path}
    return Outcome(message=Message(f"modification:{done.done}", args))


def data_set(ended: Ended) -> Outcome:
    report = _report(ended, "dataset.json", DatasetReport)
    args = {"dataset": report.name, "files": report.files, "size": size_text(report.bytes)}
    message = Message("dataset:there", args)
    for path, known in report.known.items():
        if report.counts.get(path) != known:
            more = {"path": path, "items": report.counts.get(path, 0), "known": known}
            message = Message("dataset:differs", {**args, **more})
            break
    details = {
        "calibrates": DATASETS[ended.params.dataset].calibrates,
        "counts": report.counts,
        "sha256": report.sha256,
    }
    product = report.model_dump(include={"path", "files", "bytes"})
    return Outcome(message=message, product={**product, "details": details})


def image(ended: Ended) -> Outcome:
    made = _report(ended, "image.json", ImageReport)
    fingerprint = made.id.removeprefix("sha256:")
    product = {
        "path": made.name,
        "fingerprint": fingerprint,
        "versions": made.versions,
        "details": made.model_dump(include={"bytes", "architecture"}),
    }
    args = {"image": made.name, "id": fingerprint[:12], "size": size_text(made.bytes)}
    return Outcome(message=Message("images:made", args), product=product)


def converted(ended: Ended) -> Outcome:
    made = _report(ended, "weights.json", WeightsReport)
    args = {"label": made.precision, "size": size_text(made.bytes)}
    return Outcome(message=Message("compile:made", args), product=made.model_dump())


def collected(ended: Ended) -> Outcome:
    done = _report(ended, folders.REPORT, CollectedReport)
    args: dict[str, Any] = {"files": done.files, "size": size_text(done.bytes)}
    if not done.left_out:
        return Outcome(message=Message("collect:done", args))
    return Outcome(message=Message("collect:partly", {**args, "left_out": done.left_out}))


def compiled(ended: Ended) -> Outcome:
    made = _report(ended, "artifact.json", ArtifactReport)
    args = {"label": f"{made.type} from {made.source.precision}", "size": size_text(made.bytes)}
    return Outcome(
        message=Message("compile:made", args),
        product=made.model_dump(include={"path", "bytes", "sha256"}),
    )


def compiled_for_vacc(ended: Ended) -> Outcome:
    made = _report(ended, "artifact.json", FolderReport)
    details = {
        **details_of(ended.params, PurePosixPath(made.path).name),
        **made.model_dump(include={"files", "deploy_config"}),
    }
    if made.tokenizer:
        details["tokenizer"] = f"{made.path}/tokenizer"
    product = {**made.model_dump(include={"path", "bytes", "sha256"}), "details": details}
    args = {"label": label_of(ended.params), "size": size_text(made.bytes)}
    return Outcome(message=Message("compile:made", args), product=product)


def ready(ended: Ended) -> Outcome:
    return Outcome(
        message=Message("deploy:ready", _report(ended, "ready.json", ReadyReport).model_dump())
    )


def probed(ended: Ended) -> Outcome:
    """Count of equal answers. No result: equal answers are no accuracy."""
    path = greedy_probe.OUTPUT
    found = probe.parse(path, ended.outputs.get(path, b""))
    if not found.compared:
        return Outcome(failure=Message("probe:none", {"prompts": len(found.pairs)}))
    repeats = [found.repeats(side) for side in ("deployment", "reference")]
    args = {"equal": found.equal, "compared": found.compared, "failed": found.failed}
    args |= {"same": sum(same for same, _all in repeats)}
    args |= {"again": sum(total for _same, total in repeats)}
    case = "partly" if found.failed else ("done" if args["again"] else "once")
    return Outcome(message=Message(f"probe:{case}", args))


# Tasks of confined workers that take a moment.


def glance(kind: str, tail: bytes, offset: int) -> Glance:
    """Progress of a job in the end of its log. Bytes from ``offset`` on are new."""
    begun = max(tail.rfind(end, 0, max(0, offset)) for end in (b"\n", b"\r")) + 1
    fresh, figures = tail[begun:], progress_of(kind, tail)
    has_drawn = figures is not None and (progress_of(kind, fresh) is not None or draws_bar(fresh))
    return Glance(figures, has_drawn)


def about(answers: Mapping[str, tuple[int, bytes]], model: str) -> EngineAbout:
    """See :func:`jobs.tools.outputs.engine_about.read`."""
    found = engine_about.read(answers, model)
    if found is None:
        raise ParseError("no list of models")
    return found


def tables(content: bytes) -> list[TableScore]:
    """Rows of pasted summaries."""
    is_csv = content.lstrip().startswith(",".join(HEAD).encode())
    return list((parse_csv if is_csv else parse_markdown)("table", content.strip()))


# Now, in the process that workers are forked from: see jobs.confined.worker.load.
for _kind in KINDS.values():
    function_of(_kind.reads)
