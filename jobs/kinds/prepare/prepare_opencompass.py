"""Prepare OpenCompass: a conda environment, from sources."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from jobs.base.messages import Message
from jobs.kinds.lib.base import Target, field
from jobs.kinds.lib.vacc import (
    GIT_ADDRESS,
    OnOpencompass,
    VaccParams,
    conda_site,
    is_exact,
    opencompass_of,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.opencompass import commands as opencompass


class Params(VaccParams):
    """From where."""

    repository: str = field(
        *("", "Sources of OpenCompass", "Sources"),
        max_length=255,
        pattern=GIT_ADDRESS,
        source="git",
    )
    """Repository address. Empty: the guide's."""
    index: str = field(
        *(opencompass.INDEX, "Package index", "Sources"),
        max_length=255,
        pattern=r"^$|^https?://[A-Za-z0-9][A-Za-z0-9._/:%+-]*$",
        source="index",
    )
    """Python package index. Empty: pip's settings on the host."""
    dataset_source: Literal["", "modelscope"] = field("", "Dataset source", "Datasets")
    """Also install ModelScope to download datasets from it."""


class PrepareOpencompass(OnOpencompass, params=Params):
    """Install OpenCompass from sources in a conda environment."""

    name = "prepare-opencompass"
    title = "Prepare OpenCompass"
    reads = "readings.opencompass"
    family = "prepare"
    programs = opencompass.PREPARE_PROGRAMS
    steps = opencompass.PREPARE_STEPS
    leads_to = ("prepare-datasets", "evaluate-opencompass")
    mends = ("opencompass-packages", "check:conda_env_missing")
    brings = True

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        site = vacc_site(target)
        notes = [
            Message("guide:cd"),
            Message("guide:conda_path", {"folder": f"{opencompass.folder(site)}/bin"}),
            Message("guide:conda_yes"),
        ]
        if is_exact(params):
            notes += [
                Message("guide:conda_anew"),
                Message("guide:clone_fails", {"folder": f"{site.workspace}/opencompass"}),
                Message("guide:opencompass_unheld"),
            ]
        else:
            there = ("conda_there", "clone_there", "opencompass_held")
            notes += [Message(f"guide:{name}") for name in there]
        return [*notes, Message("guide:verify_added")]

    def title_of(self, params: Params, target: Target) -> str:
        """ "OpenCompass 0.4.1"."""
        return f"OpenCompass {opencompass_of(params).opencompass}"

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        return {
            "type": "environment",
            "name": opencompass.NAME,
            "fingerprint": opencompass.fingerprint(opencompass_of(params)),
            "path": opencompass.folder(conda_site(target)),
        }

    def plan(self, params: Params, target: Target) -> Plan:
        tools = opencompass_of(params)
        return opencompass.prepare_plan(
            tools,
            conda_site(target),
            repository=params.repository or tools.opencompass_repository,
            index=params.index,
            modelscope=params.dataset_source == "modelscope",
            exact=is_exact(params),
        )
