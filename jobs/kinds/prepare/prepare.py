"""Prepare: install a model's weights or a tool's environment on a host."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, PackageSource, ZooModel
from jobs.kinds.lib.base import Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import site
from jobs.plans import Plan
from jobs.tools.lib import environments
from jobs.tools.lib.environments import ENVIRONMENTS, VLLM_CPU, Environment


class Params(KindParams):
    """Content to install."""

    what: Literal["weights", "environment"] = field("weights", "Type", "Content")
    """Weights: download, unpack, verify. Environment: install a tool."""
    model: str = field("smollm2-135m-instruct", "Model", "Content", when=("what", "weights"))
    """Model to download."""
    environment: str = field(
        environments.LLAMA_CPP, "Environment", "Content", when=("what", "environment")
    )
    """Tool to install in its own environment."""


class Prepare(Kind, params=Params):
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

    def title_of(self, params: Params, target: Target) -> str:
        """ "SmolLM2-135M-Instruct", "llama.cpp"."""
        if params.what == "weights":
            return weights_of(params)[0].name
        return environment_of(params).title

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
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

    def plan(self, params: Params, target: Target) -> Plan:
        if params.what == "environment":
            return environments.prepare_plan(_fitting(params, target), site(target))
        return environments.weights_plan(*weights_of(params), site(target))

    def successors(self, params: Params) -> Sequence[str]:
        """Weights are compiled or unpacked; of the environments only vLLM's has a next step."""
        if params.what == "weights":
            return ("compile", "convert-weights")
        return ("convert-weights",) if params.environment == VLLM_CPU else ()


def weights_of(params: Params) -> tuple[ZooModel, PackageSource]:
    model = MODELS.get(params.model)
    if model is None:
        raise LaunchError(_("Unknown model. Choose one from the catalogue."), "model")
    if model.package is None:
        raise LaunchError(_("No Python package contains the weights of this model."), "model")
    return model, model.package


def _fitting(params: Params, target: Target) -> Environment:
    environment = environment_of(params)
    version = str((target.facts.get("python") or {}).get("version") or "")
    minor = re.match(r"3\.(\d+)", version)
    if environment.newest and minor and int(minor[1]) > environment.newest:
        message = _(
            "%(tool)s needs Python 3.%(newest)d or older; %(host)s runs the agent with %(version)s."
        )
        args = {"tool": environment.title, "newest": environment.newest}
        args |= {"host": target.name, "version": version}
        raise LaunchError(message % args, "environment")
    return environment


def environment_of(params: Params) -> Environment:
    try:
        return ENVIRONMENTS[params.environment]
    except KeyError:
        message = _("Unknown environment. Choose one from the list.")
        raise LaunchError(message, "environment") from None
