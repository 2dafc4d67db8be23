"""The deployment guide: its commands on a virtual host, and a plan's differences from it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ValidationError

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, STACKS
from jobs.kinds.lib.base import EXACT, AssetRef, Kind, Target, asset_fields, asset_values
from jobs.kinds.lib.defaults import defaults_for
from jobs.plans import Plan, fill, slots
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
    """Return the catalogue id of a model, named by id, hub id, or the end of the hub id."""
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
        return fill(self.plan, self.values)


def plan_for(
    kind: Kind, *, stack: str, as_in_guide: bool, model: str, given: Mapping[str, Any]
) -> Sample:
    """The plan of ``kind`` on the guide's host. Fields missing in ``given`` take the form's
    defaults; assets are those of ``model``."""
    model_id = model_named(model)
    target = target_for(model_id, stack)
    known = {"stack": stack, EXACT: as_in_guide, "model": model_id}
    for name, asset_type in asset_fields(kind.Params).items():
        for ref in target.assets(asset_type):
            known[name] = ref.key
    fields = kind.Params.model_fields
    raw = {name: value for name, value in {**known, **given}.items() if name in fields}
    params = kind.Params.model_validate(defaults_for(kind.Params, target, raw) | raw)
    plan = kind.plan(params, target)
    dies, inputs = ",".join(map(str, range(plan.dies))), kind.inputs(params, target)
    proposed = {**_PROPOSED, "dies": dies, **asset_values(inputs)}
    # Secrets appear by name only.
    values = {name: proposed.get(name, f"<{name}>") for name in slots(plan)}
    values["job_dir"] = _PROPOSED["job_dir"]
    return Sample(plan, values, kind.notes(params, target))


def as_json(sample: Sample, notes: Sequence[str]) -> dict[str, Any]:
    """``{"steps": [{"name", "argv", "env", "cwd", "files": {path: text}}], "notes": [text]}``. A
    file is listed at the first step that names it, else at the first step. Its path is the one the
    tool uses, relative to the step's folder if inside."""
    plan, job_dir = sample.filled, sample.values["job_dir"]
    paths = {item.name: item.at or f"{job_dir}/files/{item.name}" for item in plan.files}
    folders = [step.cwd or f"{job_dir}/work" for step in plan.steps]
    users = {item.name: _first_user(plan, folders, paths[item.name]) for item in plan.files}
    return {
        "steps": [
            {
                "name": step.name,
                "argv": list(step.argv),
                "env": {
                    **({"PATH": ":".join((*step.path, "$PATH"))} if step.path else {}),
                    **dict(step.env),
                },
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
    the current one, ``vllm serve /weights/…`` in ``vllm_service``."""
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


def guide_diff(kind: Kind, params: BaseModel, target: Target, plan: Plan) -> dict[str, Any]:
    """Return ``{"notes": [{"id", "args"}], "plan": the guide's, as Plan.to_json()}``; {} for a kind
    of job that the guide does not have.

    The guide's plan is the same job with ``as_in_guide``, with only the files that differ. It is
    null if the job equals the guide, the guide's plan is invalid, or the host has no dies.
    """
    if EXACT not in type(params).model_fields:
        return {}
    notes = [{"id": note.id, "args": dict(note.args)} for note in kind.notes(params, target)]
    guide_plan = None
    if target.has_dies:
        with suppress(LaunchError, ValidationError):
            exact = kind.Params.model_validate({**params.model_dump(mode="json"), EXACT: True})
            guide_plan = kind.plan(exact, target)
    if guide_plan is None or guide_plan.sha256() == plan.sha256():
        return {"notes": notes, "plan": None}
    own, printed = {item.name: item.text for item in plan.files}, guide_plan.to_json()
    differs = [one for one in printed["files"] if own.get(one["name"], one["text"]) != one["text"]]
    return {"notes": notes, "plan": {**printed, "files": differs}}
