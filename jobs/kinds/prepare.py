"""Install tools and packaged weights, convert weights, collect result files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, PackageSource, ZooModel
from jobs.kinds.lib.base import Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import gguf_choices, is_inside, site
from jobs.kinds.lib.vacc import model_of_asset
from jobs.plans import Plan
from jobs.tools.lib import environments, folders
from jobs.tools.lib.environments import ENVIRONMENTS, VLLM_CPU, Environment
from jobs.tools.vllm import serve as vllm


class PrepareParams(KindParams):
    """Content to install."""

    what: Literal["weights", "environment"] = field("weights", "Type", "Content")
    """Weights: download, unpack, verify. Environment: install a tool."""
    model: str = field("smollm2-135m-instruct", "Model", "Content", when=("what", "weights"))
    """Model to download."""
    environment: str = field(
        environments.LLAMA_CPP, "Environment", "Content", when=("what", "environment")
    )
    """Tool to install in its own environment."""


class Prepare(Kind, params=PrepareParams):
    """Install a model's weights or a tool's environment on a host."""

    name = "prepare"
    title = "Prepare"
    reads = "readings.installed"
    progress = "tools.outputs.progress.packages_or_size"
    family = "prepare"
    programs = environments.PROGRAMS
    steps = environments.STEPS
    brings = True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "what":
            return [Choice("weights", "Weights"), Choice("environment", "Environment")]
        if field == "model":
            return [Choice(model.id, model.name) for model in MODELS.values() if model.package]
        if field == "environment":
            return [Choice(item.name, item.title) for item in ENVIRONMENTS.values()]
        return None

    def title_of(self, params: PrepareParams, target: Target) -> str:
        """ "SmolLM2-135M-Instruct", "llama.cpp"."""
        if params.what == "weights":
            return weights_of(params)[0].name
        return environment_of(params).title

    def product(self, params: PrepareParams, target: Target) -> Mapping[str, Any] | None:
        here = site(target)
        if params.what == "environment":
            environment = environment_of(params)
            return {
                "type": "environment",
                "name": environment.name,
                "fingerprint": environment.fingerprint,
                "path": environment.path(here),
            }
        model, source = weights_of(params)
        return {
            "type": "weights",
            "model_id": model.id,
            "precision": source.precision,
            "bytes": source.bytes,
            "sha256": source.sha256,
            "path": environments.weights_path(model, source, here),
        }

    def plan(self, params: PrepareParams, target: Target) -> Plan:
        if params.what == "weights":
            return environments.weights_plan(*weights_of(params), site(target))
        environment = environment_of(params)
        version = str((target.facts.get("python") or {}).get("version") or "")
        minor = re.match(r"3\.(\d+)", version)
        if environment.newest and minor and int(minor[1]) > environment.newest:
            message = _(
                "%(tool)s needs Python 3.%(newest)d or older; %(host)s runs the agent with "
                "%(version)s."
            )
            args = {"tool": environment.title, "newest": environment.newest, "host": target.name}
            raise LaunchError(message, "environment", **args, version=version)
        return environments.prepare_plan(environment, site(target))

    def successors(self, params: PrepareParams) -> Sequence[str]:
        """Weights are compiled or unpacked; of the environments only vLLM's has a next step."""
        if params.what == "weights":
            return ("compile", "convert-weights")
        return ("convert-weights",) if params.environment == VLLM_CPU else ()


def weights_of(params: PrepareParams) -> tuple[ZooModel, PackageSource]:
    model = MODELS.get(params.model)
    if model is None:
        raise LaunchError(_("Unknown model. Choose one from the catalogue."), "model")
    if model.package is None:
        raise LaunchError(_("No Python package contains the weights of this model."), "model")
    return model, model.package


def environment_of(params: PrepareParams) -> Environment:
    if params.environment not in ENVIRONMENTS:
        raise LaunchError(_("Unknown environment. Choose one from the list."), "environment")
    return ENVIRONMENTS[params.environment]


class ConvertParams(KindParams):
    """Weights to convert."""

    weights: str = field(..., "Weights", "Model", asset="weights")
    """GGUF file, converted to BF16. Precision lost earlier is not restored."""


class ConvertWeights(Kind, params=ConvertParams):
    """Convert a packaged GGUF file to a folder of safetensors."""

    name = "convert-weights"
    title = "Convert weights for vLLM"
    reads = "readings.converted"
    progress = "tools.outputs.progress.tensors"
    family = "prepare"
    has_dies = False
    environment = VLLM_CPU
    leads_to = ("deploy-vllm", "benchmark-throughput", "benchmark-latency")
    programs = vllm.CPU_PROGRAMS

    def notes(self, params: ConvertParams, target: Target) -> Sequence[Message]:
        return (Message("convert:think_tokens"),)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        return gguf_choices(target) if field == "weights" else None

    def title_of(self, params: ConvertParams, target: Target) -> str:
        """ "SmolLM2-135M-Instruct, BF16 from Q4_1"."""
        model, label, _folder = _conversion(params, target)
        return f"{model.name}, {label}"

    def product(self, params: ConvertParams, target: Target) -> Mapping[str, Any] | None:
        model, label, folder = _conversion(params, target)
        return {
            "type": "weights",
            "model_id": model.id,
            "precision": label,
            "path": folder,
            "details": {"format": vllm.FORMAT},
        }

    def plan(self, params: ConvertParams, target: Target) -> Plan:
        _model, label, folder = _conversion(params, target)
        return vllm.unpack_plan(folder, label, site(target))


def _conversion(params: ConvertParams, target: Target) -> tuple[ZooModel, str, str]:
    """Return the model, the new precision, and the folder next to the source file, named after the
    model's hub ID."""
    source = target.asset("weights", params.weights)
    model, label = model_of_asset(source), vllm.label_of(str(source.data["precision"]))
    root = PurePosixPath(site(target).weights, model.id)
    return model, label, str(root / f"{model.folder}.{vllm.PRECISION}")


class CollectParams(KindParams):
    """Folder to collect."""

    # One argument that no shell reads: names of other teams have spaces and any script.
    folder: str = field("", "Folder", "Results", max_length=255)
    """Folder of a run, below the host's workspace. JSON, JSON lines, CSV, Markdown, YAML, text
    files and logs are copied; nothing is changed."""


class CollectResults(Kind, params=CollectParams):
    """Copy the result files of a folder on a host, for an import."""

    name = folders.COLLECT
    title = "Collect result files"
    reads = "readings.collected"
    family = "prepare"
    programs = folders.COLLECT_PROGRAMS
    steps = folders.COLLECT_STEPS
    collects = folders.ARCHIVE

    def title_of(self, params: CollectParams, target: Target) -> str:
        return params.folder

    def plan(self, params: CollectParams, target: Target) -> Plan:
        here, path = site(target), params.folder
        if not path.isprintable() or not is_inside(path, here.workspace):
            message = _("Enter an absolute path below %(folder)s.")
            raise LaunchError(message, "folder", folder=here.workspace)
        folder = PurePosixPath(path)
        if folder == PurePosixPath(here.workspace):
            text = _("Enter the folder of one run or of some runs, not the whole workspace.")
            raise LaunchError(text, "folder")
        if any(is_inside(path, own) for own in here.own_folders):
            text = _("This folder is one of jobs or environments. Files of a job are on its page.")
            raise LaunchError(text, "folder")
        return folders.collect_plan(str(folder), here)
