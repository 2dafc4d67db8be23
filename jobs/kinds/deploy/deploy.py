"""Deploy: serve an artifact over an OpenAI-compatible API."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS
from jobs.kinds.lib.base import Kind, KindParams, Target, field
from jobs.kinds.lib.common import NAME, site
from jobs.plans import Plan
from jobs.tools.lib.environments import LLAMA_CPP
from jobs.tools.llama_cpp import commands as llama_cpp


class Params(KindParams):
    """Model to serve, and its settings. Lengths are in tokens."""

    artifact: str = field(..., "Artifact", "Model", asset="artifact")
    """Artifact to deploy."""
    name: str = field("", "Name", "Model", max_length=60, pattern=NAME)
    """Model name in the API. Empty: model and precision."""
    context: int = field(2048, "Max model length", "Server", "tokens", ge=256, le=131072)
    """Prompt and output of one request."""
    parallel: int = field(4, "Concurrency", "Server", "requests", ge=1, le=64)
    """Concurrent requests; further requests wait."""
    threads: int = field(0, "Threads", "Server", "threads", ge=0, le=1024)
    """0: one fewer than the host's cores, to leave room for other work."""
    reasoning: bool = field(False, "Reasoning template", "Server")
    """Each answer starts with up to 80 words of reasoning. Six examples before each prompt use
    about 300 tokens of the context."""


class Deploy(Kind, params=Params):
    """Serve an artifact over an OpenAI-compatible API."""

    name = "deploy"
    title = "Deploy"
    reads = "readings.ready"
    family = "deploy"
    has_dies = False
    environment = LLAMA_CPP
    programs = llama_cpp.PROGRAMS
    clients = llama_cpp.CLIENTS
    leads_to = ("benchmark", "evaluate")

    def title_of(self, params: Params, target: Target) -> str:
        return _served_name(params, target)

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        served = target.asset("artifact", params.artifact).data
        return {
            "type": "deployment",
            "name": _served_name(params, target),
            **{name: served[name] for name in ("model_id", "label", "precision", "toolchain")},
            "parallel": params.parallel,
            "context": params.context,
            "details": {"reasoning": params.reasoning, "max_total": params.context},
        }

    def plan(self, params: Params, target: Target) -> Plan:
        model = MODELS.get(str(target.asset("artifact", params.artifact).data["model_id"]))
        if model and params.context > model.context_tokens:
            message = _("Max context of %(model)s is %(tokens)d tokens.")
            args = {"model": model.name, "tokens": model.context_tokens}
            raise LaunchError(message % args, "context")
        here = site(target)
        return llama_cpp.deploy_plan(
            llama_cpp.LlamaServer(
                name=_served_name(params, target),
                # The dashboard's chat must reach the server; on This computer nothing else must.
                listen="127.0.0.1" if target.is_this_computer else "0.0.0.0",  # noqa: S104
                context=params.context,
                parallel=params.parallel,
                threads=params.threads or here.spare_threads,
                reasoning=params.reasoning,
            ),
            here,
        )


def _served_name(params: Params, target: Target) -> str:
    served = target.asset("artifact", params.artifact).data
    made = f"{served['model_id']}-{served['precision']}"
    return params.name or (f"{made}-reasoning" if params.reasoning else made)
