"""Plans of a kind on the hosts of ``target`` and ``vacc_target``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target, asset_values
from jobs.metrics.measured import Outcome
from jobs.plans import Plan, Step, fill
from jobs.readings import read_outcome
from tests.jobs.lib.target import PARAMS, VALUES, here
from tests.jobs.lib.vacc_target import VACC_PARAMS, vacc_host, vacc_values

# A host on which each kind plans: with cards, if it may have them.
HOSTS: dict[str, Callable[..., Target]] = {
    **dict.fromkeys((name for name, _raw in PARAMS), here),
    **dict.fromkeys((name for name, _raw in VACC_PARAMS), vacc_host),
}


def plans_of(name: str, host: Callable[..., Target] | None = None, **defaults: Any) -> "KindPlans":
    """Return plans of a kind with ``defaults``; without, with the first assets that it needs."""
    host = host or HOSTS[name]
    own, other = (VACC_PARAMS, PARAMS) if host().has_dies else (PARAMS, VACC_PARAMS)
    known = {**dict(reversed(other)), **dict(reversed(own))}[name]
    fields = KINDS[name].Params.model_fields
    needed = {field: known[field] for field in known if fields[field].is_required()}
    return KindPlans(KINDS[name], {**needed, **defaults}, host)


@dataclass(frozen=True)
class KindPlans:
    """Plans of ``kind`` on ``host()``, or ``target``. ``raw`` changes ``defaults``."""

    kind: Kind
    defaults: Mapping[str, Any]
    host: Callable[..., Target]

    def params(self, **raw: Any) -> Any:
        return self.kind.Params(**{**self.defaults, **raw})

    def planned(self, target: Target | None = None, /, **raw: Any) -> Plan:
        """Return the plan with its slots open."""
        return self.kind.plan(self.params(**raw), target or self.host())

    def run(
        self, target: Target | None = None, /, values: Mapping[str, str] | None = None, **raw: Any
    ) -> Plan:
        """Return the plan with its slots filled; ``values`` changes those of its host."""
        target = target or self.host()
        known = vacc_values(vacc_host()) if target.has_dies else VALUES
        assets = asset_values(self.kind.inputs(self.params(**raw), target))
        return fill(self.planned(target, **raw), {**known, **assets, **(values or {})})

    def step(self, name: str, target: Target | None = None, /, **raw: Any) -> Step:
        return next(step for step in self.run(target, **raw).steps if step.name == name)

    def refused(self, target: Target | None = None, /, says: str = "", **raw: Any) -> str:
        """Return the field at which the plan is refused; its text must match ``says``."""
        with pytest.raises(LaunchError, match=says or None) as caught:
            self.planned(target, **raw)
        assert "%(" not in str(caught.value)
        return caught.value.field

    def ids(self, target: Target | None = None, /, **raw: Any) -> list[str]:
        """Return the ids of the differences from the guide."""
        return [one.id for one in self.kind.notes(self.params(**raw), target or self.host())]

    def offered(self, field: str, target: Target | None = None) -> list[str]:
        """Return the values that a field offers."""
        return [one.value for one in self.kind.choices(field, target or self.host()) or ()]

    def product(self, target: Target | None = None, /, **raw: Any) -> Any:
        return self.kind.product(self.params(**raw), target or self.host())

    def outcome_of(self, outputs: Mapping[str, bytes], /, **raw: Any) -> Outcome:
        """Return the outcome of a run that left ``outputs`` and exited with 0."""
        return read_outcome(self.kind, self.params(**raw), self.run(**raw), outputs)
