"""Uses of secrets in a plan, by its steps' environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs import plans
from jobs.base.errors import PlanError
from jobs.models import Secret
from jobs.plans import SECRET, Plan, Step

# Purpose -> variable of the same step with the destination, and the tools' default.
_ADDRESSES: Mapping[str, tuple[str, str]] = {
    Secret.Purpose.HUB: ("HF_ENDPOINT", "https://huggingface.co"),
    Secret.Purpose.REGISTRY: ("REGISTRY_ADDRESS", "{deployment.url}"),
}
# Engine keys that do not go to the deployment.
_OF_REFERENCE = {"REFERENCE_API_KEY": "{reference.url}"}
# Purpose of a secret, by the variable that gets it. A secret in another variable is refused.
VARIABLES: Mapping[str, str] = {
    "HF_TOKEN": Secret.Purpose.HUB,
    "API_KEY": Secret.Purpose.ENGINE,
    "REFERENCE_API_KEY": Secret.Purpose.ENGINE,
    "EVALSCOPE_API_KEY": Secret.Purpose.ENGINE,
    "OPENAI_API_KEY": Secret.Purpose.ENGINE,
    "REGISTRY_PASSWORD": Secret.Purpose.REGISTRY,
    "VLLM_API_KEY": Secret.Purpose.ENGINE,
}


@dataclass(frozen=True, slots=True)
class Use:
    """Use of secret ``name``: its purpose, "" for an unknown variable, and its destination.

    ``destination`` may have slots. "": the server that the plan itself starts.
    """

    name: str
    purpose: str
    destination: str

    def address(self, values: Mapping[str, str]) -> str | None:
        """Return the destination with its slots filled; None: not known yet."""
        try:
            return plans.fill_text(self.destination, values)
        except PlanError:
            return None


def uses(plan: Plan) -> list[Use]:
    """Return each different use of a secret, in the order of the steps."""
    serves = any(step.serves for step in plan.steps)
    found: dict[Use, None] = {}
    for step in plan.steps:
        for variable, text in step.env:
            for is_slot, piece in plans.pieces(text):
                if is_slot and piece.startswith(SECRET):
                    purpose = VARIABLES.get(variable, "")
                    to = "" if serves else _destination(variable, purpose, step)
                    found[Use(piece.removeprefix(SECRET), purpose, to)] = None
    return list(found)


def _destination(variable: str, purpose: str, step: Step) -> str:
    if variable in _OF_REFERENCE:
        return _OF_REFERENCE[variable]
    named, default = _ADDRESSES.get(purpose, ("", "{deployment.url}"))
    return dict(step.env).get(named) or default
