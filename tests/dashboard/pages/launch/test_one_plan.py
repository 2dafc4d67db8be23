"""One choice gives one plan: in the form, over the API, and with ``manage.py plan``."""

from __future__ import annotations

import pytest

from dashboard.pages.launch.launch_form import make_form, raw_values
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT
from jobs.kinds.lib.guide import plan_for, target_for
from jobs.launch.launch import preview
from tests.factories import make_host

pytestmark = pytest.mark.django_db

R1, QWEN = "deepseek-r1", "deepseek-r1-distill-qwen-7b"
OF_THE_GUIDE = sorted(name for name, kind in KINDS.items() if EXACT in kind.Params.model_fields)
ASSETS = {"weights": "1", "artifact": "1", "deployment": "1"}


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("stack", ["guide", "current"])
@pytest.mark.parametrize("name", OF_THE_GUIDE)
def test_the_form_the_api_and_the_command_make_one_plan(name, stack, exact):
    kind = KINDS[name]
    model = QWEN if name in ("compile-vacc", "apply-modification", "deploy-build-in") else R1
    target, fields = target_for(model, stack), kind.Params.model_fields
    chosen = {"stack": stack, EXACT: exact, "model": model, **ASSETS}
    given = {field: value for field, value in chosen.items() if field in fields}
    host = make_host(type="vacc", facts=dict(target.facts))
    typed = {field: "1" if value is True else str(value) for field, value in given.items()}
    typed |= {EXACT: "1" if exact else "0"}

    over_the_api = preview(name, given, host, target)
    form = raw_values(make_form(kind, target, typed, {}), kind)
    in_the_form = preview(name, form, host, target)

    assert in_the_form.params == over_the_api.params
    assert in_the_form.errors == over_the_api.errors
    if over_the_api.plan is None:
        return
    sample = plan_for(kind, stack=stack, as_in_guide=exact, model=model, given={})
    assert in_the_form.plan == over_the_api.plan == sample.plan
