"""Virtual host of the deployment guide, to build its commands anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, STACKS
from jobs.kinds.lib.base import AssetRef, Kind, Target, asset_values
from jobs.kinds.lib.defaults import defaults_for
from jobs.plans import Plan, Step, fill, slots
from jobs.tools.vacc.site import GUIDE_FACTS, inside_of

PORT = "8000"
_PROPOSED = {
    "job": "1",
    "job_dir": "/nfs/workspace/spool/1",
    "serve_dir": "/nfs/workspace/serve/1",
    "port": PORT,
    "deployment.id": "1",
}


def model_named(name: str) -> str:
    """Return the catalogue id of a model, named by id, hub id, or the end of the hub id.

    Raises:
        LaunchError: unknown model.
    """
    for model in MODELS.values():
        if name in (model.id, model.hub_id, model.hub_id.rpartition("/")[2]):
            return model.id
    raise LaunchError(f"no model is called {name!r}; there are: {', '.join(MODELS)}", "model")


def target_for(model_id: str, stack: str) -> Target:
    """Return the guide's host with the model's weights, an artifact and a deployment."""
    model = MODELS[model_id]
    name = model.hub_id.rpartition("/")[2]
    weights = str(PurePosixPath(GUIDE_FACTS["roots"]["weights"], name))
    return Target(
        name="guide",
        type="vacc",
        facts={**GUIDE_FACTS, "stacks": [stack]},
        weights=(_ref("weights", name, model_id, path=weights, precision=model.dtype),),
        artifacts=(_artifact(name, model_id),),
        deployments=(_deployment(name, model_id, weights, stack),),
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """A plan, its slot values, and its differences from the guide."""

    plan: Plan
    values: Mapping[str, str]
    notes: Sequence[Message]

    @property
    def filled(self) -> Plan:
        """Return the plan with slots filled."""
        return fill(self.plan, self.values)


def plan_for(
    kind: Kind, *, stack: str, as_in_guide: bool, model: str, given: Mapping[str, Any]
) -> Sample:
    """The plan of ``kind`` on the guide's host.

    Fields missing in ``given`` take the form's defaults; assets are those of ``model``.

    Raises:
        LaunchError: unknown model, or no valid command.
        pydantic.ValidationError: a field of ``given`` is wrong.
    """
    model_id = model_named(model)
    target = target_for(model_id, stack)
    known = {"stack": stack, "as_in_guide": as_in_guide, "model": model_id, **_assets(kind, target)}
    fields = kind.Params.model_fields
    raw = {name: value for name, value in {**known, **given}.items() if name in fields}
    params = kind.Params.model_validate(defaults_for(kind.Params, target, raw) | raw)
    plan = kind.plan(params, target)
    return Sample(plan, _values(plan, kind.inputs(params, target)), kind.notes(params, target))


def _assets(kind: Kind, target: Target) -> dict[str, str]:
    """Return field -> key of the target's asset, for each asset field."""
    refs = {
        "weights": target.weights,
        "artifact": target.artifacts,
        "deployment": target.deployments,
    }
    keys = {}
    for name, info in kind.Params.model_fields.items():
        extra = info.json_schema_extra
        asset_type = extra.get("asset") if isinstance(extra, dict) else None
        if asset_type in refs:
            keys[name] = refs[str(asset_type)][0].key
    return keys


def _values(plan: Plan, refs: Mapping[str, AssetRef]) -> dict[str, str]:
    """Return every slot of the plan with its default for a first job on that host."""
    dies = ",".join(map(str, range(plan.dies)))
    known = {**_PROPOSED, "dies": dies, **asset_values(refs)}
    # Secrets appear by name only.
    return {name: known.get(name, f"<{name}>") for name in slots(plan)} | {
        "job_dir": _PROPOSED["job_dir"]
    }


def as_json(sample: Sample, notes: Sequence[str]) -> dict[str, Any]:
    """``{"steps": [{"name", "argv", "env", "cwd", "files": {path: text}}], "notes": [text]}``.

    A file is listed at the first step that names it, else at the first step. Its path is the one
    the tool uses, relative to the step's folder if inside.
    """
    plan, job_dir = sample.filled, sample.values["job_dir"]
    paths = {item.name: item.at or f"{job_dir}/files/{item.name}" for item in plan.files}
    folders = [step.cwd or f"{job_dir}/work" for step in plan.steps]
    users = {item.name: _first_user(plan, folders, paths[item.name]) for item in plan.files}
    return {
        "steps": [
            {
                "name": step.name,
                "argv": list(step.argv),
                "env": _environment(step),
                "cwd": folders[number],
                "files": {
                    _relative(paths[item.name], folders[number]): item.text
                    for item in plan.files
                    if users[item.name] == number
                },
            }
            for number, step in enumerate(plan.steps)
        ],
        "notes": list(notes),
    }


def _first_user(plan: Plan, folders: Sequence[str], path: str) -> int:
    """Return the index of the first step that names the file, by full or relative path."""
    for number, step in enumerate(plan.steps):
        names = (path, _relative(path, folders[number]))
        if any(word.removeprefix("./").endswith(names) for word in step.argv):
            return number
    return 0


def _relative(path: str, folder: str) -> str:
    try:
        return str(PurePosixPath(path).relative_to(folder))
    except ValueError:
        return path


def _environment(step: Step) -> dict[str, str]:
    first = {"PATH": ":".join((*step.path, "$PATH"))} if step.path else {}
    return {**first, **dict(step.env)}


def _ref(asset_type: str, title: str, model_id: str, *, path: str, **data: Any) -> AssetRef:
    inside = inside_of(GUIDE_FACTS, path)
    known = {"id": 1, "model_id": model_id, "path": path, "mount_path": inside, **data}
    return AssetRef(asset_type, title, id=1, data=known)


def _artifact(name: str, model_id: str) -> AssetRef:
    """Return the artifact of the guide's compile: fp16, tp4, 1024/2048."""
    folder = f"{name}-fp16-tp4-1024-2048"
    return _ref(
        "artifact",
        folder,
        model_id,
        path=str(PurePosixPath(GUIDE_FACTS["roots"]["artifacts"], folder)),
        name=folder,
        precision="fp16",
        label="fp16 tp4 1024/2048",
        toolchain="vamc",
        tp=4,
        max_input=1024,
        max_total=2048,
    )


def _deployment(name: str, model_id: str, weights: str, stack: str) -> AssetRef:
    """Return the guide's server, ``vllm serve /test/weights/…`` in the container ``vllm_vacc``, or
    the current one, ``vllm serve /weights/…`` in ``vllm_service``.
    """
    inside, container = inside_of(GUIDE_FACTS, weights), STACKS[stack].vllm.container
    if container and container.publish_port:  # only the weights folder of the workspace is mounted
        inside = str(PurePosixPath(container.mount, name))
    return _ref(
        "deployment",
        name,
        model_id,
        path=weights,
        name=inside if stack == "guide" else name,
        state="ready",
        url=f"http://127.0.0.1:{PORT}",
        host="127.0.0.1",
        port=PORT,
        container=container.name if container else "",
        stack=stack,
        engine="vllm",
        tp=32,
        tokenizer=inside,
        api_key="",
        label="",
        precision="fp8",
        toolchain="vllm",
        artifact=None,
    )
