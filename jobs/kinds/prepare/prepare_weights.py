"""Prepare weights: download a model's weights to a VACC host, or verify existing ones."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, HubSource, ZooModel
from jobs.kinds.lib.base import Choice, Target, field
from jobs.kinds.lib.common import PATH, SECRET, options_from
from jobs.kinds.lib.vacc import (
    OnVacc,
    VaccParams,
    endpoint_field,
    folder_or,
    model_of,
    source_choices,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.vacc import downloads
from jobs.tools.vacc.downloads import Download

# Of Hugging Face and of ModelScope: only a repository's owners write there.
_MAIN_BRANCHES = ("main", "master")


class Params(VaccParams):
    """Weights, and their source."""

    model: str = field("deepseek-r1-distill-qwen-7b", "Model", "Weights")
    """Model to prepare."""
    source: Literal["hf", "hfd", "modelscope", "folder"] = field("hf", "Source", "Weights")
    """Download tool, or a folder that has the weights."""
    folder: str = field("", "Folder", "Weights", max_length=255, pattern=PATH)
    """Folder of the weights. Empty: the host's weights folder."""
    endpoint: str = endpoint_field()
    revision: str = field(
        *("", "Revision", "Download"),
        max_length=100,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$",
        source="revision",
    )
    """Branch, tag or commit. Empty: the latest."""
    token: str = field(
        *("", "Token secret", "Download"), max_length=64, pattern=SECRET, when=("source", "hf")
    )
    """Secret with the hub token, for gated models; hf only."""
    connections: int = field(8, "Connections", "Download", ge=1, le=32)
    """Parallel file downloads. With hfd.sh: connections per file, 10 at most."""
    checksums: bool = field(True, "Verify checksums", "Check")
    """Read every shard and compare it with the hub's checksum, if the tool stored one. If off, only
    sizes, index and headers are checked, in seconds."""


class PrepareWeights(OnVacc, params=Params):
    """Download a model's weights to a VACC host, or verify existing ones."""

    name = "prepare-weights"
    title = "Prepare weights"
    reads = "readings.weights"
    progress = "tools.outputs.progress.brought"
    family = "prepare"
    programs = downloads.WEIGHTS_PROGRAMS
    mends = ("check:weights_missing", "check:shard_missing")
    brings = True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "model":
            return [
                Choice(m.id, m.name) for m in MODELS.values() if isinstance(m.source, HubSource)
            ]
        if field == "source":
            return source_choices("hf", "hfd", "modelscope", "folder")
        return super().choices(field, target)

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        return [Message("guide:weights_linked"), Message("guide:verify_added")]

    def title_of(self, params: Params, target: Target) -> str:
        return model_of(params.model).name

    def sources(self, params: Params, target: Target) -> Mapping[str, str]:
        """A revision other than the main branch stands for the model at that revision: on hubs a
        stranger's proposal has one too."""
        found = {**super().sources(params, target)}
        if "revision" in found:
            del found["revision"]
            if params.revision not in _MAIN_BRANCHES:
                found["revision"] = f"{model_of(params.model).hub_id}@{params.revision}"
        return found

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        model = model_of(params.model)
        source = _source(model)
        return {
            "type": "weights",
            "model_id": model.id,
            "precision": source.precision,
            "bytes": source.bytes,
            "path": _folder(params, model, target),
            "details": {"hub_id": model.hub_id, "revision": params.revision},
        }

    def plan(self, params: Params, target: Target) -> Plan:
        model = model_of(params.model)
        source, site = _source(model), vacc_site(target)
        if params.source == "hfd" and params.connections > 10:
            raise LaunchError(_("hfd.sh supports at most 10 connections."), "connections")
        if params.source != "hf" and params.token:
            message = _(
                "Only hf keeps the token secret; other tools would expose it on the command line."
            )
            raise LaunchError(message, "token")
        wanted = options_from(
            params,
            Download,
            repo=model.hub_id,
            folder=_folder(params, model, target),
            bytes=source.bytes if source.shards > 1 else 0,
            program=downloads.program_of(target.facts) if params.source == "hf" else "",
        )
        return downloads.weights_plan(model, source, site, wanted=wanted, read_all=params.checksums)

    def successors(self, params: Params) -> Sequence[str]:
        """Compile a distill (patch Qwen first), or serve the full model."""
        model = MODELS.get(params.model)
        if model is None:
            return ()
        if model.modification:
            return ("apply-modification",)
        compiled = ("compile-vacc",) if "build_in" in model.paths else ()
        return (*compiled, "deploy-vllm", "benchmark-throughput", "benchmark-latency")


def _source(model: ZooModel) -> HubSource:
    if isinstance(model.source, HubSource):
        return model.source
    raise LaunchError(_("This model is distributed as a Python package, not on a hub."), "model")


def _folder(params: Params, model: ZooModel, target: Target) -> str:
    site = vacc_site(target)
    return folder_or(f"{site.weights}/{model.folder}", params.folder, site)
