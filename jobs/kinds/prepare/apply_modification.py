"""Apply VACC patch: add the vendor's patched model files to a Qwen distill's weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, ZooModel
from jobs.kinds.lib.base import Choice, Target, field
from jobs.kinds.lib.common import asset_choices
from jobs.kinds.lib.vacc import OnVacc, VaccParams, model_of_asset, vacc_site
from jobs.plans import Plan
from jobs.tools.vacc import downloads


class Params(VaccParams):
    """Weights to patch, or to restore."""

    weights: str = field(..., "Weights", "VACC patch", asset="weights")
    """Weights of a Qwen distill; Llama distills need no patch."""
    only_show: bool = field(False, "Dry run", "VACC patch")
    """Show all differences in the log and write nothing."""
    undo: bool = field(False, "Undo", "VACC patch")
    """Restore the files replaced by the patch."""


class ApplyModification(OnVacc, params=Params):
    """Add the vendor's patched model files to a Qwen distill's weights."""

    name = "apply-modification"
    title = "Apply VACC patch"
    reads = "readings.modification"
    family = "prepare"
    programs = downloads.PATCH_PROGRAMS
    steps = downloads.PATCH_STEPS
    mends = ("check:modification_missing", "check:modification_differs")

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "weights":
            models = [(ref, MODELS.get(str(ref.data["model_id"]))) for ref in target.weights]
            return asset_choices(ref for ref, model in models if model and model.modification)
        return super().choices(field, target)

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        if params.undo:
            return [Message("guide:nothing_printed")]
        return [Message("guide:modification_in_words"), Message("guide:config_vacc_made")]

    def title_of(self, params: Params, target: Target) -> str:
        return _model(params, target).name

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        if params.only_show and not params.undo:
            return None
        there = target.asset("weights", params.weights).data
        known = {name: there[name] for name in ("model_id", "precision", "bytes", "path")}
        details = {"modification": not params.undo}
        return {"type": "weights", "amends": True, **known, "details": details}

    def plan(self, params: Params, target: Target) -> Plan:
        model, site = _model(params, target), vacc_site(target)
        if params.undo and params.only_show:
            raise LaunchError(_("“Undo” cannot be a dry run. Choose one of the two."), "only_show")
        if not params.undo and not site.modification:
            message = _(
                "%(host)s has no folder with the vendor's model files. Set "
                "HOST_MODIFICATION_DIR in host.env."
            )
            raise LaunchError(message % {"host": target.name}, "weights")
        return downloads.patch_plan(model, site, undo=params.undo, only_show=params.only_show)

    def successors(self, params: Params) -> Sequence[str]:
        return () if params.undo or params.only_show else ("compile-vacc",)


def _model(params: Params, target: Target) -> ZooModel:
    model = model_of_asset(target.asset("weights", params.weights))
    if not model.modification:
        raise LaunchError(_("%(model)s needs no VACC patch.") % {"model": model.name}, "weights")
    return model
