"""Prepare OpenCompass: a conda environment, from sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from jobs.base.messages import Message
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.opencompass_host import OnOpencompass, conda_site, tools_of
from jobs.kinds.lib.vacc import VaccParams, is_exact, repository_field, vacc_site
from jobs.plans import Plan
from jobs.tools.opencompass import environment as opencompass_env
from jobs.tools.opencompass.environment import INDEX, NAME, Installing


class Params(VaccParams):
    """From where."""

    repository: str = repository_field(
        "Repository address. Empty: the guide's.", label="Sources of OpenCompass", group="Sources"
    )
    index: str = Field(
        INDEX,
        max_length=255,
        pattern=r"^$|^https?://[A-Za-z0-9][A-Za-z0-9._/:%+-]*$",
        description="Python package index. Empty: pip's settings on the host.",
        json_schema_extra={"label": "Package index", "group": "Sources", "source": "index"},
    )
    dataset_source: Literal["", "modelscope"] = Field(
        "",
        description="Also install ModelScope to download datasets from it.",
        json_schema_extra={"label": "Dataset source", "group": "Datasets"},
    )


class PrepareOpencompass(OnOpencompass, params=Params):
    """Install OpenCompass from sources in a conda environment."""

    name = "prepare-opencompass"
    title = "Prepare OpenCompass"
    reads = "readings.opencompass"
    family = "prepare"
    programs = opencompass_env.PROGRAMS
    steps = opencompass_env.STEPS
    mends = (
        "opencompass-packages",
        "check:conda_env_missing",
    )
    brings = True

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the guide."""
        site = vacc_site(target)
        notes = [
            Message("guide:cd"),
            Message("guide:conda_path", {"folder": f"{opencompass_env.folder(site)}/bin"}),
            Message("guide:conda_yes"),
        ]
        if is_exact(params):
            return [
                *notes,
                Message("guide:conda_anew"),
                Message("guide:clone_fails", {"folder": f"{site.workspace}/opencompass"}),
                Message("guide:opencompass_unheld"),
                Message("guide:verify_added"),
            ]
        return [
            *notes,
            Message("guide:conda_there"),
            Message("guide:clone_there"),
            Message("guide:opencompass_held"),
            Message("guide:verify_added"),
        ]

    def title_of(self, params: Params, target: Target) -> str:
        """ "OpenCompass 0.4.1"."""
        return f"OpenCompass {tools_of(params).opencompass}"

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        """An environment."""
        return {
            "type": "environment",
            "name": NAME,
            "fingerprint": opencompass_env.fingerprint(tools_of(params)),
            "path": opencompass_env.folder(conda_site(target)),
        }

    def plan(self, params: Params, target: Target) -> Plan:
        """Create, clone, check out, install, verify."""
        tools = tools_of(params)
        wanted = Installing(
            repository=params.repository or tools.opencompass_repository,
            index=params.index,
            modelscope=params.dataset_source == "modelscope",
            exact=is_exact(params),
        )
        return opencompass_env.prepare_plan(tools, conda_site(target), wanted)

    def successors(self, params: Params) -> Sequence[str]:
        """Prepare its data in the checkout."""
        return ("prepare-datasets", "evaluate-opencompass")
