"""A host that is none: the deployment guide's own, so that its commands can be made anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jobs.catalog import MODELS, STACKS
from jobs.errors import LaunchError
from jobs.kinds.lib.base import AssetRef, Kind, Remark, Target, asset_values
from jobs.kinds.lib.defaults import proposals
from jobs.plans import Plan, Step, fill, slots
from jobs.toolchains.vacc_site import GUIDE_FACTS, inside_of

PORT = "8000"
_PROPOSED = {
    "job": "1",
    "job_dir": "/nfs/workspace/spool/1",
    "serve_dir": "/nfs/workspace/serve/1",
    "port": PORT,
    "deployment.id": "1",
}


def model_named(name: str) -> str:
    """The catalogue's id of a model that is named by it, by its hub id, or by that one's end.

    Raises:
        LaunchError: there is no such model.
    """
    for model in MODELS.values():
        if name in (model.id, model.hub_id, model.hub_id.rpartition("/")[2]):
            return model.id
    raise LaunchError(f"no model is called {name!r}; there are: {', '.join(MODELS)}", "model")


def target_for(model_id: str, stack: str) -> Target:
    """The guide's host with the model's weights, an artifact and a deployment of it on it."""
    model = MODELS[model_id]
    name = model.hub_id.rpartition("/")[2]
    weights = str(PurePosixPath(GUIDE_FACTS["roots"]["weights"], name))
    return Target(
        name="guide",
        sort="vacc",
        facts={**GUIDE_FACTS, "stacks": [stack]},
        weights=(_ref("weights", name, model_id, path=weights, precision=model.dtype),),
        artifacts=(_artifact(name, model_id),),
        deployments=(_deployment(name, model_id, weights, stack),),
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """A plan, the value of each of its slots, and what it does otherwise than the guide."""

    plan: Plan
    values: Mapping[str, str]
    notes: Sequence[Remark]

    @property
    def filled(self) -> Plan:
        """The plan as it would run."""
        return fill(self.plan, self.values)


def plan_for(
    kind: Kind, *, stack: str, as_in_guide: bool, model: str, given: Mapping[str, Any]
) -> Sample:
    """The plan of ``kind`` on the guide's host.

    Fields that ``given`` leaves out are the form's own proposals, assets those of ``model``.

    Raises:
        LaunchError: there is no such model, or no command can be right.
        pydantic.ValidationError: a field of ``given`` is wrong.
    """
    model_id = model_named(model)
    target = target_for(model_id, stack)
    known = {"stack": stack, "as_in_guide": as_in_guide, "model": model_id, **_assets(kind, target)}
    fields = kind.Params.model_fields
    raw = {name: value for name, value in {**known, **given}.items() if name in fields}
    params = kind.Params.model_validate(proposals(kind.Params, target, raw) | raw)
    plan = kind.plan(params, target)
    return Sample(plan, _values(plan, kind.inputs(params, target)), kind.notes(params, target))


def _assets(kind: Kind, target: Target) -> dict[str, str]:
    """Field -> key of the target's own asset, for each field that takes one."""
    refs = {
        "weights": target.weights,
        "artifact": target.artifacts,
        "deployment": target.deployments,
    }
    found = {}
    for name, info in kind.Params.model_fields.items():
        extra = info.json_schema_extra
        sort = extra.get("asset") if isinstance(extra, dict) else None
        if sort in refs:
            found[name] = refs[str(sort)][0].key
    return found


def _values(plan: Plan, refs: Mapping[str, AssetRef]) -> dict[str, str]:
    """Every slot of the plan with what is proposed for a first job on that host."""
    dies = ",".join(map(str, range(plan.dies)))
    known = {**_PROPOSED, "dies": dies, **asset_values(refs)}
    # A secret is named, never shown.
    return {name: known.get(name, f"<{name}>") for name in slots(plan)} | {
        "job_dir": _PROPOSED["job_dir"]
    }


def as_json(sample: Sample, notes: Sequence[str]) -> dict[str, Any]:
    """``{"steps": [{"name", "argv", "env", "cwd", "files": {path: text}}], "notes": [text]}``.

    A file is told with the first step that names it, else with the first of all; its path is the
    one where the tool finds it, relative to the step's folder where it lies in it.
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
    """The number of the first step that names the file, in full or from its own folder."""
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


def _ref(sort: str, title: str, model_id: str, *, path: str, **data: Any) -> AssetRef:
    inside = inside_of(GUIDE_FACTS, path)
    known = {"id": 1, "model_id": model_id, "path": path, "mount_path": inside, **data}
    return AssetRef(sort, title, id=1, data=known)


def _artifact(name: str, model_id: str) -> AssetRef:
    """What the guide's own compile makes of a distill: fp16, tp4, 1024/2048."""
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
    """The page's own server: ``vllm serve /test/weights/…`` in the container ``vllm_vacc``, or
    today's: ``vllm serve /weights/…`` in ``vllm_service``.
    """
    inside, container = inside_of(GUIDE_FACTS, weights), STACKS[stack].vllm.container
    if container and container.publish_port:  # of the workspace it sees the weights alone
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
