"""Actions by people that a queued job needs, and their effect on other jobs."""

import pytest
from django.urls import reverse

from dashboard.text import queue_words as queue
from dashboard.text.messages import message
from jobs.schedule import dispatch
from tests.dashboard.lib.page_text import text_of
from tests.factories import make_host, make_job, make_plan, make_user
from tests.jobs.lib.dies import DEPLOYMENT, DIES, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def host():
    return make_host("va16-01", slots=9, facts={"dies": [{"id": n} for n in range(8)]})


@pytest.fixture
def page(client):
    client.force_login(make_user("lin"))
    return lambda job: text_of(client.get(reverse("job-detail", args=[job.pk])))


def wants(host, dies, **fields):
    return make_job(host=host, plan=make_plan(steps=DIES.steps, dies=dies), **fields)


def test_advice_to_stop_a_server_names_the_jobs_that_need_it(host, page):
    server = serving(host, "0,1,2,3,4,5,6,7", name="r1")
    runs = make_job(host=host, state="running", inputs={"deployment": {"id": server.pk}})
    later = make_job(host=host, inputs={"deployment": {"job": server.job_id}})
    job = wants(host, 4)

    (why, _when) = queue.waits([job])[job.pk]

    assert f"Jobs #{runs.pk}, #{later.pk} need r1 and must end first." in message(why.id, why.args)
    assert f"Jobs #{runs.pk}, #{later.pk} need r1" in page(job)


def test_the_stop_dialog_warns_of_queued_jobs_of_a_pipeline(host, client):
    server = serving(host, "0,1")
    later = make_job(host=host, inputs={"deployment": {"job": server.job_id}}, title="later one")
    client.force_login(make_user("ada", is_staff=True))

    text = text_of(client.get(reverse("deployment-stop", args=[server.pk])))

    assert f"#{later.pk}" in text


def test_only_jobs_started_by_a_stop_say_so(host, page):
    serving(host, "0,1,2,3,4,5,6,7", name="r1")
    first, wide = wants(host, 4, product=DEPLOYMENT), wants(host, 8)

    assert "The job starts automatically once these are stopped:" in page(first)
    html = page(wide)
    assert "starts automatically once" not in html
    assert "This job does not start automatically: jobs ahead take the freed dies." in html


def test_a_writer_behind_a_deploy_needs_a_person(host, page):
    folder = "/a/qwen"
    product = {"type": "deployment", "name": "qwen", "details": {"path": folder}}
    wants(host, 99, product=product)
    job = make_job(host=host, product={"type": "artifact", "path": folder})

    html = page(job)

    assert "Cancel that job, or move this one ahead." in html
    assert "This job does not start automatically: a person must act first." in html
    assert "lacks what this job needs" not in html


def test_a_job_of_all_dies_names_jobs_ahead(host):
    """Two deployments of 4 dies and two jobs of all, while one server holds all."""
    serving(host, "0,1,2,3,4,5,6,7", name="r1")
    small = [wants(host, 2, product=DEPLOYMENT) for _ in range(2)]
    wide = [wants(host, 8) for _ in range(2)]

    reasons = {pk: remark.args for pk, remark in dispatch.reasons(wide).items()}

    ahead = [job.pk for job in small]
    assert [reasons[job.pk]["behind"] for job in wide] == [ahead, [*ahead, wide[0].pk]]
    text = message("wait:dies_held", reasons[wide[0].pk])
    assert f"Jobs #{ahead[0]}, #{ahead[1]} are ahead, take these dies first" in text
    assert "Deployments started by those jobs must be stopped too." in text
