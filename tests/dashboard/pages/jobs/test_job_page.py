import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils.html import escape
from django.utils.timezone import now

from dashboard.text.messages import message
from jobs import logstore
from jobs.models import Job, OutputFile, PointBlock
from jobs.plans import Plan, Step, Watch, script
from jobs.queries.jobs.job_page import job_page
from tests.factories import (
    make_deployment,
    make_guide_host,
    make_host,
    make_job,
    make_plan,
    make_user,
    make_weights,
)


def shown(member, job):
    answer = member.get(reverse("job-detail", args=[job.pk]))
    assert answer.status_code == 200
    return answer.text


def waits_of(member, job):
    """The head, which has the reason, and the queue's panel."""
    text = shown(member, job)
    head = text.partition('<p class="say"')[2].partition("</p>")[0]
    return head + text.partition('<section class="panel waits"')[2].partition("</section>")[0]


def test_a_queued_job_says_once_why_it_waits(member):
    host = make_host()
    busy = make_job(host=host, state="running", title="the other one")
    job = make_job(host=host)

    assert waits_of(member, job).count(f"is at its job limit; job {busy.pk} (the other one)") == 1

    done = make_job(host=host, state="succeeded")
    job.after.add(done, busy)
    waits = waits_of(member, job)
    assert f"#{busy.pk} " in waits
    assert f"#{done.pk} " not in waits  # what has succeeded is no reason


def test_lines_of_the_step_that_it_ended_in_are_quoted_first(member):
    first, second = b"ERROR: no cache, made anew\n", b"ERROR: no route\n"
    job = make_job(state="failed", message_id="work:exit", started_at=now(), log_bytes=43)
    logstore.store().append(f"job/{job.pk}", 0, first + second)
    job.steps.filter(index=0).update(started_at=now(), exit_code=0, log_from=0, log_to=len(first))

    for state, exit_code in (("failed", 1), ("lost", None)):
        Job.objects.update(state=state)
        job.steps.filter(index=1).update(started_at=now(), exit_code=exit_code, log_from=len(first))
        text = shown(member, job).partition('id="why"')[2].partition("</section>")[0]
        assert 0 < text.index("no route") < text.index("no cache")


def test_a_failure_names_its_cause_or_says_that_it_is_unknown(member):
    for message_id, is_unknown in (("work:exit", True), ("benchmark:no_request", False)):
        job = make_job(state="failed", message_id=message_id, started_at=now())
        card = shown(member, job).partition('id="why"')[2].partition("</section>")[0]
        assert ("Cause unknown" in card) == is_unknown, message_id


def test_a_job_of_all_dies_links_to_servers_to_stop(member):
    host = make_host(facts={"dies": [{"id": number} for number in range(8)]})
    servers = [
        make_deployment(
            job=make_job(host=host, state="succeeded", values={"dies": die}),
            name="qwen",
            host_url=f"http://127.0.0.1:{port}",
        )
        for die, port in [("0,1", 7863), ("2,3", 21000)]
    ]
    plan = make_plan(steps=(Step("only", ("tool", "{dies}")),), dies=8)
    job = make_job(host=host, plan=plan, exclusive=True)

    waits = waits_of(member, job)

    assert "Needs 8 dies;" in waits
    assert " has 4 free. Stop: qwen (port 7863), qwen (port 21000)." in waits
    assert "launch without" not in waits
    assert waits.count("Stop:") == 1
    for server in servers:
        assert reverse("deployment-detail", args=[server.pk]) in waits


def test_a_failed_job_says_what_why_and_what_to_do(member):
    job = make_job(
        state="failed", message_id="job:step_failed", message_args={"step": "check", "exit_code": 3}
    )
    job.steps.filter(index=1).update(started_at=now(), exit_code=3, duration_s=1.0)
    lines = "".join(f"line {n}\n" for n in range(50)) + "\x1b[31mno such file <b>\x1b[0m\n"
    logstore.store().append(f"job/{job.pk}", 0, lines.encode())

    text = shown(member, job)

    assert escape(message(job.message_id, job.message_args)) in text
    assert 'href="#L51"' in text and "no such file &lt;b&gt;" in text
    assert 'href="#L49"' in text and 'href="#L48"' not in text
    assert "Retry unchanged" in text
    assert f"/launch/prepare/?host={job.host.name}&amp;from={job.pk}" in text


@pytest.mark.parametrize(
    ("state", "exit_codes", "wanted"),
    [
        ("failed", (0, 1, None), ["succeeded", "failed", "skipped"]),
        ("failed", (0, 0), ["succeeded", "failed"]),
        ("failed", (0, None), ["failed", "skipped"]),
        ("failed", (1, None), ["failed", "skipped"]),
        ("errored", (0, 0), ["succeeded", "succeeded"]),
        ("cancelled", (0, None), ["succeeded", "skipped"]),
    ],
)
def test_step_icons_match_the_job_s_state(state, exit_codes, wanted):
    plan = Plan(kind="prepare", steps=tuple(Step(f"s{n}", ("true",)) for n in range(len(wanted))))
    job = make_job(plan=plan, state=state)
    for index, code in enumerate(exit_codes):
        if code is not None:
            job.steps.filter(index=index).update(started_at=now(), exit_code=code, duration_s=1.0)

    page = job_page(job.pk)

    assert [item.state for item in page.steps] == wanted
    assert (page.failed_step is not None) == ("failed" in wanted)


def test_a_step_without_a_result_shows_its_exit_code(member):
    job = make_job(state="failed", message_id="benchmark:no_request")
    job.steps.all().update(started_at=now(), exit_code=0, duration_s=1.0)

    assert "exit code 0, no result" in shown(member, job)
    steps = member.get(reverse("api-job-log-steps", args=[job.pk])).json()["steps"]
    assert steps[-1]["state"] == "failed"
    assert steps[-1]["look"] == ["failed", "failed"]


def test_the_step_s_bar_shows_its_progress_and_is_full_without(member):
    job = make_job(state="running")
    job.steps.filter(index=0).update(started_at=now(), log_from=0)
    assert 'class="now"' in shown(member, job)

    for done, width in ((34, "44.7%"), (0, "0.0%"), (100, "100.0%")):
        Job.objects.update(progress={"done": done, "total": 76, "unit": "packages"})
        text = shown(member, job)
        assert f'<rect width="{width}"' in text and 'class="now part"' in text


def test_a_known_failure_shows_cause_advice_and_line(member):
    failure = {"id": "connection-refused", "args": {"address": "127.0.0.1:20001"}, "where": ""}
    job = make_job(
        state="failed",
        message_id="benchmark:no_request",
        message_args={"failed": 24, "failure": {**failure, "line": 2, "offset": 6}},
    )
    logstore.store().append(f"job/{job.pk}", 0, b"start\nErrno 111 refused\nERROR: the end\n")

    text = shown(member, job)

    assert "Known failure" in text
    # Both are beside the state and in the card.
    assert text.count("no request succeeded: 24 failed") == 2
    assert text.count("nothing is listening at 127.0.0.1:20001.") == 2
    assert text.count("Check that the deployment is ready") == 1
    assert 'data-log-at="2"' in text
    assert 'href="#L2"' in text and "Errno 111 refused" in text
    assert 'href="#L3"' not in text


def test_a_lost_job_shows_its_last_sign_and_its_host(member):
    host = {"load_1m": 7.69, "memory_free_bytes": 20859695104, "disk_free_bytes": 78712573952}
    args = {"host": host, "last_lines": "x"}
    job = make_job(state="lost", message_id="host:launcher_died", message_args=args)
    logstore.store().append(f"job/{job.pk}", 0, b"INFO all is well\n")

    text = re.sub(r"<[^>]+>", "", shown(member, job))

    assert "last log data received" in text
    assert "Host at the time" in text
    assert "load 7.7, 20.9GB of memory and 78.7GB of disk free" in text.replace("\u202f", "")
    assert "all is well" not in text  # it says nothing of why
    for less in ("va16-01", {"load_1m": "?"}, None):
        Job.objects.update(message_id="job:missing", message_args={"host": less})
        assert "Host at the time" not in shown(member, job)


def test_of_a_cancelled_job_no_line_is_quoted(member):
    # One that had not begun left nothing.
    assert "Finished files are kept" not in shown(member, make_job(state="cancelled"))
    job = make_job(state="cancelled", message_id="job:cancelled", message_args={"user": "lin"})
    logstore.store().append(f"job/{job.pk}", 0, b"ERROR: Got signal SIGTERM\n")

    assert "SIGTERM" not in shown(member, job)


def test_a_job_of_an_away_host_shows_since_when(member):
    host = make_host(heartbeat_at=now() - timedelta(hours=2))
    job = make_job(host=host, state="running")

    text = shown(member, job)

    assert "The full log arrives when the host is back" in text
    assert f"{host.name} has been offline since" in text
    assert "has been offline" not in shown(member, make_job(host=host, state="succeeded"))


def test_an_ended_job_s_log_is_folded_and_its_step_s_line_has_the_colour_of_its_state(member):
    job = make_job(state="running", started_at=now())
    job.steps.filter(index=0).update(started_at=now(), log_from=0)
    text = shown(member, job)
    assert "data-log-folded" not in text and 'class="one-job ended"' not in text

    for state in ("failed", "errored", "cancelled", "lost"):
        Job.objects.update(state=state, finished_at=now())
        text = shown(member, job)
        assert f'<li class="{state}">' in text
        assert "data-log-folded" in text and 'class="one-job ended"' in text


def outputs(job, *paths):
    for path in paths:
        OutputFile.objects.create(job=job, name="x", path=path, bytes=1000, received_bytes=1000)


def test_outputs_stand_by_folder_and_the_reports_first():
    job = make_job(state="succeeded")
    outputs(job, "perf/run/c1/a.json", "perf/run/c1/b.json", "perf/run/report.html", "top.json")

    folders = job_page(job.pk).folders

    assert [(folder.path, [name for name, _ in folder.files]) for folder in folders] == [
        ("", ["top.json"]),
        ("perf/run", ["report.html"]),
        ("perf/run/c1", ["a.json", "b.json"]),
    ]
    assert [folder.bytes for folder in folders] == [1000, 1000, 2000]


def test_a_long_list_of_outputs_is_folded(member):
    job = make_job(state="succeeded")
    outputs(job, "report.html", *(f"c{n}/{name}.json" for n in (1, 2, 4) for name in "ab"))

    assert [folder.is_open for folder in job_page(job.pk).folders] == [True, False, False, False]
    assert "Show all 7 files" in shown(member, job)

    OutputFile.objects.filter(path="c4/b.json").delete()
    assert all(folder.is_open for folder in job_page(job.pk).folders)
    assert "Show all" not in shown(member, job)


def test_a_job_of_a_pipeline_stands_in_its_strip(member):
    chain = uuid4()
    jobs = [make_job(state=state, chain=chain) for state in ("succeeded", "failed", "queued")]

    strip = shown(member, jobs[1]).partition('class="panel pipe"')[2].partition("</nav>")[0]

    assert reverse("pipeline", args=[chain]) in strip
    assert re.findall(r">(succeeded|failed|queued)<", strip) == ["succeeded", "failed", "queued"]
    here = re.findall(r'href="([^"]+)" aria-current="step"', strip)
    assert here == [reverse("job-detail", args=[jobs[1].pk])]
    assert 'class="panel pipe"' not in shown(member, make_job())


def test_drawer_and_script_have_the_values_that_the_job_ran_with(member):
    plan = make_plan()
    job = make_job(plan=plan, state="succeeded", values={"job_dir": "/spool/17"})

    answer = member.get(reverse("job-script", args=[job.pk]))

    assert '<span class="slot" title="job_dir">/spool/17</span>' in shown(member, job)
    assert answer.text == script(plan, {"job_dir": "/spool/17"})
    assert answer["Content-Disposition"].startswith("attachment")


def test_an_output_is_sent_to_keep_and_never_to_show(member, settings):
    job = make_job(state="succeeded")
    folder = settings.DATA_DIR / "outputs" / str(job.pk) / "perf"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<script>alert(1)</script>")
    output = OutputFile.objects.create(
        job=job, name="report", path="perf/report.html", bytes=25, sha256="0", received_bytes=25
    )

    answer = member.get(reverse("job-output", args=[job.pk, output.pk]))

    assert answer.content == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == 'attachment; filename="report.html"'
    # One outside of its folder is not found.
    (settings.DATA_DIR / "outputs" / "secret").write_text("no")
    OutputFile.objects.update(path="../secret")
    assert member.get(reverse("job-output", args=[job.pk, output.pk])).status_code == 404


def test_the_cancel_page_says_what_is_lost(member):
    user = make_user()
    first = make_job(state="running", created_by=user)
    first.product = {"type": "weights"}
    first.save()
    after = make_job(host=first.host, created_by=user)
    after.after.add(first)
    member.force_login(user)

    text = member.get(reverse("job-cancel", args=[first.pk])).text

    assert "1 dependent job is cancelled too" in text
    assert f"#{after.pk}" in text


def test_points_come_behind_the_cursor(member):
    job = make_job(state="running")
    for offset, at in ((0, 100.0), (300, 101.0)):
        values = {"vllm:generation_tokens_total": 40 * at, "vllm:num_requests_running": 2}
        PointBlock.objects.create(job=job, offset=offset, watch="engine", rows=[[at, values]])
    address = reverse("job-points", args=[job.pk])

    first = member.get(address).json()
    more = member.get(address, {"after": 0}).json()
    none = member.get(address, {"after": first["after"]}).json()

    running, output = first["series"]["running"], more["series"]["output"]
    assert (first["after"], running) == (300, {"t": [100000, 101000], "y": [2, 2]})
    assert output == {"t": [101000], "y": [40.0]}
    assert (none["series"]["output"]["t"], none["after"], none["open"]) == ([], 300, True)
    assert member.get(address, {"after": "x"}).status_code == 404
    assert member.get(address, {"after": "9" * 30}).status_code == 404


def test_a_job_with_a_watch_has_curves_while_it_runs(member):
    plan = make_plan(watches=(Watch("engine", "http://127.0.0.1:1/metrics", ("a",)),))

    text = shown(member, make_job(plan=plan, state="running"))

    assert "data-live-chart" in text
    assert "data-live-chart" not in shown(member, make_job(state="running"))
    assert "data-live-chart" not in shown(member, make_job(plan=plan, state="failed"))
    # The figure is data, not code.
    start = text.index('<script id="live-figure-data" type="application/json">')
    data = text[text.index(">", start) + 1 : text.index("</script>", start)]
    assert [trace["meta"] for trace in json.loads(data)["data"]][:4] == [
        *("output", "client_output", "prompt", "running")
    ]


def test_a_running_job_says_when_it_should_end(member):
    host = make_host()
    make_job(host=host, title="a", state="succeeded", duration_s=3600.0)
    job = make_job(
        host=host, title="a", state="running", started_at=now(), message_id="job:running"
    )

    assert "Estimated end" in shown(member, job)
    Job.objects.filter(pk=job.pk).update(started_at=now() - timedelta(hours=2))
    assert "Estimated end" not in shown(member, job)


def test_queries_do_not_grow_with_the_chain(member, django_assert_max_num_queries):
    first = make_job(state="running")
    for _ in range(12):
        job = make_job(host=first.host)
        job.after.add(first)
    for n in range(30):
        OutputFile.objects.create(job=first, name="x", path=f"{n}.json", bytes=1, sha256="0")

    with django_assert_max_num_queries(30):
        shown(member, first)


def test_what_a_log_or_a_title_says_is_text_and_never_markup(member):
    job = make_job(state="failed", title="<img src=x onerror=alert(1)>")
    logstore.store().append(f"job/{job.pk}", 0, b"<script>alert(1)</script>\n")

    text = shown(member, job)

    assert "<img src=x" not in text and "<script>alert" not in text


def test_the_page_of_a_model_has_every_open_job_of_it(member):
    kinds = ("evaluate", "benchmark-online")
    jobs = [make_job(model_id="deepseek-r1", kind=kind) for kind in kinds]
    other = make_job(model_id="deepseek-r1-0528")

    text = member.get(reverse("model-detail", args=["deepseek-r1"])).text

    for job in jobs:
        assert reverse("job-detail", args=[job.pk]) in text
    assert reverse("job-detail", args=[other.pk]) not in text


def test_what_a_job_made_leads_to_the_forms_of_its_own_host(member):
    host = make_guide_host()
    weights = make_weights(host=host, model_id="deepseek-r1-distill-llama-8b")
    product = {"type": "weights", "model_id": weights.model_id, "path": weights.path}
    params = {"model": weights.model_id, "stack": "guide"}
    fields = {"product": product, "made": product, "params": params}
    job = make_job(host=host, kind="prepare-weights", state="succeeded", **fields)

    page = shown(member, job)
    (address,) = re.findall(r'href="(/launch/compile-vacc/[^"]*)"', page)
    form = member.get(address.replace("&amp;", "&")).text

    assert reverse("launch-form", args=["compile"]) not in page
    assert "This host does not support this job type" not in form
    assert f'value="{weights.pk}" selected' in form


def test_a_server_that_is_down_is_not_offered_for_a_chat(member):
    job = make_job(kind="deploy", state="succeeded", product={"type": "deployment", "name": "x"})
    served = make_deployment(job=job, state="ready")
    assert "Open chat" in shown(member, job)

    served.state = "stopped"
    served.save()
    assert "Open chat" not in shown(member, job)
