"""Forms that create jobs: a repeated post of a page creates none."""

import html
import re
import uuid

import pytest
from django.urls import reverse

from jobs.launch import launch
from jobs.models import AuditEntry, IdempotencyKey, Job, Matrix, MatrixCell
from tests.comparing import OTHER, grouped
from tests.factories import (
    make_cell,
    make_guide_deployment,
    make_guide_host,
    make_host,
    make_job,
    make_measured,
)
from tests.measuring import make_measuring_host, runs, served

WORK = {"kind": "prepare", "params": {"what": "weights"}}


def form_of(browser, page, action=""):
    """Return the fields of the form in a page that posts to ``action``; "": to the page itself."""
    text = browser.get(page).content.decode()
    for head, body in re.findall(r"<form([^>]*)>(.*?)</form>", text, re.DOTALL):
        target = html.unescape("".join(re.findall(r' action="([^"]*)"', head)))
        if 'method="post"' in head and target == action and "idempotency_key" in body:
            found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', body)
            return {name: value for name, value in found if name != "csrfmiddlewaretoken"}
    raise AssertionError(f"no form of {page} posts a key to {action}")


def this_computer():
    return make_host("this-computer")


def launch_form():
    host = this_computer()
    address = reverse("launch-form", args=["prepare"])
    return f"{address}?host={host.name}", address, {"host": host.name, "what": "weights"}


def matrix_form():
    host = make_guide_host()
    deployment = make_guide_deployment(host)
    fields = {"workload": "quick", "host": host.name, "deployment": str(deployment.pk)}
    return f"{reverse('launch-matrix')}?workload=quick&host={host.name}", "", fields


def pipeline_form():
    host = make_guide_host()
    address = reverse("model-pipeline", args=("deepseek-r1", "pytorch"))
    return address, "", {"host": host.name, "stack": "guide"}


def tour():
    this_computer()
    return reverse("overview"), reverse("tour-start"), {}


def retry():
    job = make_job(host=this_computer(), state="failed", **WORK)
    return reverse("job-detail", args=[job.pk]), reverse("job-retry", args=[job.pk]), {}


def pipeline_retry():
    chain = uuid.uuid4()
    make_job(host=this_computer(), state="failed", chain=chain, **WORK)
    return reverse("pipeline", args=[chain]), reverse("pipeline-retry", args=[chain]), {}


def pipeline_retry_from_a_job():
    chain, host = uuid.uuid4(), this_computer()
    first = make_job(host=host, state="failed", chain=chain, **WORK)
    job = make_job(host=host, state="cancelled", chain=chain, **WORK)
    job.after.set([first])
    return reverse("job-detail", args=[job.pk]), reverse("pipeline-retry", args=[chain]), {}


def _matrix(state):
    host = this_computer()
    matrix = Matrix.objects.create(title="r1", kind="benchmark", host=host, spec={})
    job = make_job(host=host, state=state, **WORK)
    if state == "succeeded":
        make_measured(job=job, points=[(1, {"output_tokens_per_s": 51.25})])
    make_cell(matrix, 0, job)
    return matrix


def matrix_resume():
    args = [_matrix("failed").pk]
    return reverse("matrix-detail", args=args), reverse("matrix-resume", args=args), {}


def cell_again():
    matrix = _matrix("succeeded")
    action = reverse("matrix-cell-run", args=[matrix.pk, MatrixCell.objects.get().pk])
    return reverse("matrix-detail", args=[matrix.pk]), action, {}


def more_of_a_result():
    job = _matrix("succeeded").cells.get().job
    page = reverse("result-detail", args=[job.result.pk])
    return page, reverse("result-run-more"), {}


def more_of_two():
    host = make_measuring_host()
    base, other = runs(served(host), 50.0, 51.0, 52.0), runs(served(host, OTHER), 60.0, 61.0)
    Job.objects.update(inputs={})
    page = f"{reverse('result-compare')}?{grouped(base, other)}"
    return page, reverse("result-run-more"), {}


FORMS = [
    *(launch_form, matrix_form, pipeline_form, tour, retry, pipeline_retry),
    pipeline_retry_from_a_job,
    *(matrix_resume, cell_again, more_of_a_result, more_of_two),
]


@pytest.mark.parametrize("make", FORMS)
def test_a_second_click_creates_no_job(browser, make):
    page, action, extra = make()
    before = Job.objects.count()
    fields = {**form_of(browser, page, action), **extra}

    first = browser.post(action or page, fields)
    made, entries = Job.objects.count(), AuditEntry.objects.count()
    second = browser.post(action or page, fields)

    assert (first.status_code, made > before) == (302, True)
    assert (second.status_code, second.url) == (302, first.url)
    assert (Job.objects.count(), AuditEntry.objects.count()) == (made, entries)


def test_a_posted_form_is_previewed_once(browser, monkeypatch):
    page, action, extra = launch_form()
    fields, previews, real = {**form_of(browser, page, action), **extra}, [], launch.preview

    def noted(kind_name, *args, **options):
        previews.append(kind_name)
        return real(kind_name, *args, **options)

    monkeypatch.setattr(launch, "preview", noted)
    browser.post(action, fields)

    assert previews == [Job.objects.get().kind]


def test_a_page_shown_again_launches_other_values(browser):
    page, action, extra = launch_form()
    fields = {**form_of(browser, page, action), **extra}

    first = browser.post(action, fields)
    second = browser.post(action, {**fields, "priority": "low"})

    assert second.url != first.url
    assert [job.priority for job in Job.objects.order_by("pk")] == [1, 2]


def test_a_reloaded_page_launches_again(browser):
    page, action, extra = launch_form()

    urls = {browser.post(action, {**form_of(browser, page, action), **extra}).url for _ in "12"}

    assert len(urls) == 2


def test_a_refused_form_leaves_its_key(browser):
    page, action, extra = launch_form()
    fields = {**form_of(browser, page, action), **extra}

    refused = browser.post(action, {**fields, "priority": "urgent"})

    assert refused.status_code == 422
    assert IdempotencyKey.objects.count() == 0
    assert browser.post(action, fields).status_code == 302


def test_a_refused_retry_leaves_its_key(browser):
    page, action, _none = retry()
    fields = form_of(browser, page, action)
    Job.objects.update(params={"what": "nothing"})

    refused = browser.post(action, fields, follow=True)

    assert "The input of this job no longer exists." in html.unescape(refused.content.decode())
    assert IdempotencyKey.objects.count() == 0


def test_of_more_runs_all_are_launched_or_none(browser):
    host = make_measuring_host()
    one, other = runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]
    Job.objects.filter(pk=one.job_id).update(inputs={})
    Job.objects.filter(pk=other.job_id).update(params={"concurrency": "x"})

    browser.post(reverse("result-run-more"), {"id": [f"res-{one.pk}", f"res-{other.pk}"]})

    assert not Job.objects.filter(state="queued").exists()
