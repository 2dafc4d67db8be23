"""Jobs that make something or start a server: what is there now, in one sentence."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from jobs.base.messages import Message
from jobs.kinds.compile.compile_vacc import details_of, label_of
from jobs.kinds.lib.common import size
from jobs.kinds.lib.vacc import model_of
from jobs.kinds.prepare.prepare import environment_of, weights_of
from jobs.metrics.measured import Outcome
from jobs.tools.greedy_probe import commands as greedy_probe
from jobs.tools.greedy_probe import parser as probe
from jobs.tools.lib import collect
from jobs.tools.opencompass.environment import NAME
from jobs.tools.outputs import reports
from jobs.tools.outputs.ended import Ended
from jobs.tools.vacc import parser as vacc_reports
from jobs.tools.vacc.datasets import DATASETS


def installed(ended: Ended) -> Outcome:
    """Summary of the installed content."""
    if ended.params.what == "environment":
        made = reports.read(ended.outputs, "versions.json", reports.EnvironmentReport)
        return Outcome(
            message=Message(
                "prepare:environment",
                {
                    "environment": environment_of(ended.params).title,
                    "version": made.versions.get(environment_of(ended.params).main, ""),
                    "packages": len(made.versions),
                    "size": size(made.bytes),
                },
            ),
            product=made.model_dump(include={"path", "versions"}),
        )
    report = reports.read(ended.outputs, "weights.json", reports.WeightsReport)
    return Outcome(
        message=Message(
            "prepare:weights",
            {"model": weights_of(ended.params)[0].name, "size": size(report.bytes)},
        ),
        product=report.model_dump(),
    )


def weights(ended: Ended) -> Outcome:
    """Size of the weights, and the depth of verification."""
    report = reports.read(ended.outputs, "weights.json", vacc_reports.ShardsReport)
    model = model_of(ended.params.model)
    args = {"model": model.name, "size": size(report.bytes), "shards": report.shards}
    if report.compared:
        message = Message("weights:compared", {**args, "compared": report.compared})
    elif report.checked == "sha256":
        message = Message("weights:read", args)
    else:
        message = Message("weights:measured", args)
    details = {
        "hub_id": model.hub_id,
        "revision": ended.params.revision,
        "shards": report.shards,
        "checked": report.checked,
        "compared": report.compared,
    }
    return Outcome(
        message=message,
        product={
            **report.model_dump(include={"path", "bytes", "sha256", "precision"}),
            "details": details,
        },
    )


def modification(ended: Ended) -> Outcome:
    """Number of files applied or restored."""
    done = reports.read(ended.outputs, "modification.json", vacc_reports.ModificationReport)
    args = {"files": len(done.files), "path": done.path}
    messages = {
        "shown": Message("modification:shown", args),
        "applied": Message("modification:applied", args),
        "undone": Message("modification:undone", args),
    }
    return Outcome(message=messages[done.done])


def data_set(ended: Ended) -> Outcome:
    """Size of the dataset; missing items are reported."""
    report = reports.read(ended.outputs, "dataset.json", vacc_reports.DatasetReport)
    args = {"dataset": report.name, "files": report.files, "size": size(report.bytes)}
    differs = [path for path, known in report.known.items() if report.counts.get(path) != known]
    message = Message("dataset:there", args)
    if differs:
        more = {
            "path": differs[0],
            "items": report.counts.get(differs[0], 0),
            "known": report.known[differs[0]],
        }
        message = Message("dataset:differs", {**args, **more})
    return Outcome(
        message=message,
        product={
            **report.model_dump(include={"path", "files", "bytes"}),
            "details": {
                "calibrates": DATASETS[ended.params.dataset].calibrates,
                "counts": report.counts,
                "sha256": report.sha256,
            },
        },
    )


def image(ended: Ended) -> Outcome:
    """The image's ID and versions."""
    made = reports.read(ended.outputs, "image.json", vacc_reports.ImageReport)
    return Outcome(
        message=Message(
            "images:made",
            {"image": made.name, "id": made.fingerprint[:12], "size": size(made.bytes)},
        ),
        product={
            "path": made.name,
            "fingerprint": made.fingerprint,
            "versions": made.versions,
            "details": {"bytes": made.bytes, "architecture": made.architecture},
        },
    )


def opencompass(ended: Ended) -> Outcome:
    """Summary of the environment."""
    made = reports.read(ended.outputs, "versions.json", reports.EnvironmentReport)
    args = {
        "environment": "OpenCompass",
        "version": made.versions.get(NAME, ""),
        "packages": len(made.versions),
        "size": size(made.bytes),
    }
    return Outcome(
        message=Message("prepare:environment", args),
        product=made.model_dump(include={"path", "versions"}),
    )


def converted(ended: Ended) -> Outcome:
    """The folder's size and checksum."""
    made = reports.read(ended.outputs, "weights.json", reports.WeightsReport)
    return Outcome(
        message=Message("compile:made", {"label": made.precision, "size": size(made.bytes)}),
        product=made.model_dump(),
    )


def collected(ended: Ended) -> Outcome:
    """Number of files, and of those that are left out."""
    done = reports.read(ended.outputs, collect.REPORT, reports.CollectedReport)
    args: dict[str, Any] = {"files": done.files, "size": size(done.bytes)}
    if not done.left_out:
        return Outcome(message=Message("collect:done", args))
    return Outcome(message=Message("collect:partly", {**args, "left_out": done.left_out}))


def compiled(ended: Ended) -> Outcome:
    """The artifact's size and checksum."""
    made = reports.read(ended.outputs, "artifact.json", reports.ArtifactReport)
    label = f"{made.type} from {made.source.precision}"
    return Outcome(
        message=Message("compile:made", {"label": label, "size": size(made.bytes)}),
        product=made.model_dump(include={"path", "bytes", "sha256"}),
    )


def compiled_for_vacc(ended: Ended) -> Outcome:
    """The artifact's size and checksum."""
    made = reports.read(ended.outputs, "artifact.json", vacc_reports.FolderReport)
    details = {
        **details_of(ended.params, PurePosixPath(made.path).name),
        "files": made.files,
        "deploy_config": made.deploy_config,
    }
    if made.tokenizer:
        details["tokenizer"] = f"{made.path}/tokenizer"
    return Outcome(
        message=Message(
            "compile:made", {"label": label_of(ended.params), "size": size(made.bytes)}
        ),
        product={**made.model_dump(include={"path", "bytes", "sha256"}), "details": details},
    )


def ready(ended: Ended) -> Outcome:
    """Return the outcome with the time until the server was ready."""
    seconds = reports.read(ended.outputs, "ready.json", reports.ReadyReport).seconds
    return Outcome(message=Message("deploy:ready", {"seconds": seconds}))


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
