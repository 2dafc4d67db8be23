"""Result page on a phone: long names do not widen the page."""

import pytest

from tests.browser.lib.visits import PHONE, too_wide

pytestmark = pytest.mark.browser

SEED = """
from tests.factories import make_deployment, make_host, make_job, make_measured
host = make_host("simulated-vacc-host-in-the-second-rack")
job = make_job(host=host, state="succeeded", kind="benchmark-online")
served = make_deployment(host=host, name="deepseek-r1-0528-qwen3-8b-awq-tp32-longer-context")
metrics = {"output_tokens_per_s": 9.0, "requests": 34, "failed_requests": 2}
result = make_measured(points=[(1, metrics)], job=job, host=host, deployment=served)
batch = {f"batch_latency_{name}_s": 0.781 for name in ("mean", "p10", "p50", "p90", "p99")}
slow = [make_measured(points=[(4, batch)], label=name, job=make_job(host=host, state="succeeded"))
        for name in "ab"]
print(result.pk, *(one.pk for one in slow))
"""


@pytest.fixture(scope="module")
def results(server):
    """Return ids of a result with long names and of two batch results."""
    return server.shell(SEED)


def test_long_names_do_not_widen_the_page(page, results):
    page.set_viewport_size(PHONE)

    page.goto(f"/results/res-{results[0]}/")

    assert not too_wide(page)


def test_pages_of_a_batch_without_a_server_are_well(inspector, results):
    _served, one, other = results

    faults = [
        *inspector.faults(f"/results/res-{one}/"),
        *inspector.faults("/results/"),
        *inspector.faults(f"/results/compare/?id=res-{one}&id=res-{other}&all=1"),
    ]

    assert faults == []
