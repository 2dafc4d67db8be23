"""Page of a matrix: each state of a cell, metrics, exports, and buttons."""

import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils.timezone import now

from dashboard.reports.make import KINDS, make
from dashboard.text.labels import STATES
from jobs.models import AuditEntry, Job, Matrix, MatrixCell, Result
from tests.comparing import figures, rows_of
from tests.dashboard.lib.page_text import text_of
from tests.factories import make_cell, make_deployment, make_host, make_job, make_measured

# Of a kind that can be retried without an asset.
WORK = {"kind": "prepare", "params": {"what": "weights"}}
MESSAGE = {"message_id": "work:exit", "message_args": {"step": "measure", "exit_code": 3}}


@pytest.fixture
def matrix(lin):
    """A row with a done, running, queued, failed and skipped cell."""
    host = make_host()
    matrix = Matrix.objects.create(
        title="r1",
        kind="benchmark-online",
        host=host,
        spec={"workload": "own", "requests": 4, "repeats": 1},
        created_by=lin,
    )
    states = ("succeeded", "running", "queued", "failed", None)
    for column, state in enumerate(states):
        job = None
        if state:
            fields = MESSAGE if state == "failed" else {}
            job = make_job(host=host, state=state, **WORK, **fields)
        if state == "succeeded":
            metrics = {"output_tokens_per_s": 51.25, "ttft_p50_ms": 321.0}
            make_measured(job=job, points=[(1, metrics)])
        if state == "running":
            Job.objects.filter(pk=job.pk).update(progress={"done": 3, "total": 12, "unit": ""})
        make_cell(matrix, column, job)
    return matrix


def page(client, matrix, query=""):
    return client.get(reverse("matrix-detail", args=[matrix.pk]) + query)


def cells(answer):
    return re.findall(r'<td class="cell heat-(\d)" data-state="(\w+)".*?</td>', answer, re.DOTALL)


def test_each_cell_shows_its_state(client, matrix):
    html = page(client, matrix).text

    assert [state for _heat, state in cells(html)] == [
        *("done", "running", "queued", "failed", "skipped")
    ]
    assert ">51.2<" in html or ">51.3<" in html
    assert "Max concurrency of the engine is 8." in html
    assert "exit code 3" in html.lower()
    assert conclusion(client, matrix) == ""  # one measured concurrency concludes nothing


def test_a_measured_cell_without_the_chosen_metric_is_done(client, matrix):
    cell = matrix.cells.get(job__state="succeeded")
    Result.objects.filter(job=cell.job).update(metrics={"ttft_p50_ms": 321.0})

    html = page(client, matrix).text

    assert cells(html)[0] == ("0", "done")
    assert '<td class="cell heat-0" data-state="done"><span class="dim">n/a</span>' in html


def test_a_matrix_has_one_state_on_its_page_and_in_lists(client, matrix):
    Job.objects.update(chain=matrix.chain)
    for state in ("running", "queued", "failed"):
        html = page(client, matrix).text
        listed = client.get(reverse("job-list")).text

        assert f'<span class="st {STATES[state].css}">' in html.partition("</h1>")[2][:60]
        row = listed.partition(">Matrix of")[0].rpartition('class="st ')[2]
        assert row.startswith(f'{STATES[state].css}"')
        ended = {"state": "lost", "finished_at": now()}
        Job.objects.filter(state=state).update(**ended)


def test_a_queued_matrix_says_why(client, matrix):
    server = make_deployment(host=matrix.host)
    Job.objects.filter(state="queued").update(exclusive=True)
    assert "exclusive use" not in page(client, matrix).text  # while a run of it goes on

    Job.objects.filter(state="running").update(state="succeeded", finished_at=now())

    html = unescape(page(client, matrix).text)
    assert f"deployment {server.name} is running. Stop that deployment" in html


def test_cells_lead_to_result_job_or_run_and_each_run_to_all_of_them(client, matrix):
    html = page(client, matrix).text

    table, _, runs = html.partition('id="matrix-runs"')
    done, running, queued, failed = (matrix.cells.get(column=n) for n in range(4))
    result = reverse("result-detail", args=[done.job.result.pk])
    open_jobs = [reverse("job-detail", args=[cell.job_id]) for cell in (running, queued)]
    assert re.findall(r'data-step href="([^"]+)"', table) == [
        *(result, *open_jobs, f"#run-{failed.pk}")
    ]
    for cell in (done, running, queued, failed):
        address = reverse("job-detail", args=[cell.job_id])
        assert f'id="run-{cell.pk}"' in runs
        assert f'href="{address}">#{cell.job_id}</a>' in runs
        assert f'href="{address}#log-search"' in runs
        assert f'href="{reverse("job-script", args=[cell.job_id])}"' in runs
    assert f'href="{result}"' in runs


@pytest.fixture
def measured_row(lin):
    """A row of four cells, measured twice each; its rate rises up to concurrency 4."""
    matrix = Matrix.objects.create(
        title="r1",
        kind="benchmark-online",
        host=make_host(),
        spec={"workload": "own", "requests": 20, "repeats": 2},
    )
    point = {"requests": 20, "output_tokens": 1000, "engine_output_tokens": 1010}
    point |= {"ttft_mean_ms": 390.0, "engine_ttft_mean_ms": 90.0}
    for column, rate in enumerate((50.0, 95.0, 180.0, 182.0)):
        for repeat in (1, 2):
            job = make_job(host=matrix.host, state="succeeded", **WORK)
            cell = make_cell(matrix, column, job, place=4 * repeat + column, repeat=repeat)
            metrics = point | {"output_tokens_per_s": rate}
            make_measured(job=job, points=[(cell.concurrency, metrics)])
    MatrixCell.objects.update(input_tokens=64, output_tokens=32)
    return matrix


def title(client, matrix):
    source = page(client, matrix).text
    part = source[source.index("<h1") : source.index("</h1>")]
    return " ".join(re.sub(r"<[^>]+>", " ", part).split())


def conclusion(client, matrix):
    source = unescape(page(client, matrix).text)
    part = source.partition('id="conclusion"')[2].partition("</section>")[0]
    part = part.partition(">")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", part).split())


def test_a_row_concludes_where_throughput_ends_and_compares_client_and_engine(client, measured_row):
    text = conclusion(client, measured_row)
    result = measured_row.cells.first().job.result
    of_result = client.get(reverse("result-detail", args=[result.pk])).text

    words = "Saturated at concurrency 4. More concurrency adds latency only."
    assert title(client, measured_row) == words
    assert "Saturated" not in text.partition("Conclusion of each row")[0]
    assert "Best throughput 182 tok/s at concurrency 8" in text
    assert "Recommended concurrency 4" in text
    assert "disturbed" not in text
    assert "Preliminary" not in text
    assert "Concurrency 1, 2, 4, 8: output tokens agree within 3 %." in text
    assert "TTFT is 300 ms longer for the client, at every concurrency." in text
    assert f'href="{reverse("matrix-detail", args=[measured_row.pk])}#conclusion"' in of_result


@pytest.mark.parametrize(("rates", "is_noisy"), [((20, 90, 250), True), ((49, 50, 51), False)])
def test_runs_that_differ_too_much_make_it_uncertain(client, measured_row, rates, is_noisy):
    (first, _second) = measured_row.cells.filter(concurrency=1)
    job = make_job(host=measured_row.host, state="succeeded", **WORK)
    make_measured(job=job, points=[(1, {**first.job.result.metrics})])
    MatrixCell.objects.filter(pk=first.pk).update(repeat=3)
    first.pk, first.job = None, job
    first.save()
    for cell, rate in zip(measured_row.cells.filter(concurrency=1), rates, strict=True):
        metrics = {**cell.job.result.metrics, "output_tokens_per_s": rate}
        Result.objects.filter(job=cell.job).update(metrics=metrics)

    text = conclusion(client, measured_row)

    words = "the 95 % interval of the mean of 3 runs is [10.5, "
    assert (words in text) == is_noisy
    assert ("Uncertain" in text) == is_noisy


def test_a_conclusion_counts_runs_on_a_loaded_host(client, measured_row):
    remark = {"id": "result:host_loaded", "args": {"load": 9.2, "cores": 2}}
    Result.objects.filter(job__cell__concurrency=4).update(remarks=[remark], loaded=True)

    assert "Other programs used the CPU in 2 of 8 runs." in conclusion(client, measured_row)


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        ("disturbed", "disturbed"),
        ("loaded", "loaded host"),
        ("incomplete", "failed requests"),
        ("simulated", "simulated"),
    ],
)
def test_marks_stand_in_cells_and_picture(client, measured_row, flag, word):
    Result.objects.filter(job__cell__concurrency=4).update(**{flag: True})

    html = page(client, measured_row, "?picture=1").text

    cells = re.findall(r'<td class="cell.*?</td>', html, re.DOTALL)
    assert [f"{word}</span>" in cell for cell in cells] == [False, False, True, False]
    if flag != "simulated":
        heat = figures(html)["heat"]
        assert [text.startswith("○") for text in heat["data"][0]["text"][0]] == [
            *(False, False, True, False)
        ]
        assert heat["layout"]["annotations"][0]["text"] == f"○ {word}"


def test_best_and_recommended_are_marked_and_the_picture_is_one_click_away(client, measured_row):
    html = page(client, measured_row, "?metric=ttft_mean_ms").text

    assert "data-chart=" not in html
    assert 'href="?metric=ttft_mean_ms&amp;picture=1#heat"' in html
    cells = re.findall(r'<td class="cell.*?</td>', page(client, measured_row).text, re.DOTALL)
    marks = [re.findall(r'class="vh">(\w+) ?</span>', cell) for cell in cells]
    assert marks == [[], [], ["recommended"], ["best"]]
    assert "◆: recommended concurrency" in html


@pytest.fixture
def three_rows(measured_row):
    """Two rows that saturate at concurrency 4, one whose rate rises to the highest."""
    for row, rates in ((1, (40.0, 80.0, 150.0, 152.0)), (2, (30.0, 55.0, 100.0, 190.0))):
        for column, rate in enumerate(rates):
            job = make_job(host=measured_row.host, state="succeeded", **WORK)
            cell = make_cell(measured_row, column, job, row=row, place=10 * row + column)
            make_measured(job=job, points=[(cell.concurrency, {"output_tokens_per_s": rate})])
        MatrixCell.objects.filter(row=row).update(input_tokens=64 * 4**row, output_tokens=32)
    return measured_row


def test_the_title_says_how_many_runs_are_disturbed_and_what_is_simulated(client, three_rows):
    total = Result.objects.count()
    Result.objects.filter(pk=Result.objects.first().pk).update(disturbed=True)
    Result.objects.update(simulated=True)

    shown = title(client, three_rows)

    assert shown.endswith(f"simulated disturbed 1/{total}")


def test_one_conclusion_stands_for_most_rows_and_names_the_others(client, three_rows):
    text = conclusion(client, three_rows)

    verdict = (
        "2 of 3 measured rows: Saturated at concurrency 4. More concurrency adds latency only."
    )
    assert verdict in title(client, three_rows)
    assert text.startswith("Conclusion Best throughput 190 tok/s 1024 → 32, at")
    head, _, by_row = text.partition("Conclusion of each row 3")
    assert "Not saturated: throughput still rises at concurrency 8, the highest. 1024 → 32" in head
    assert "Saturated at concurrency 4." not in head
    assert by_row.count("Saturated at concurrency 4.") == 2


def test_rows_that_end_alike_at_other_concurrencies_have_one_sentence(client, three_rows):
    MatrixCell.objects.filter(row=2).delete()
    of_second = Result.objects.filter(job__cell__row=1, job__cell__concurrency=2)
    of_second.update(metrics={"output_tokens_per_s": 151.0})

    words = "All 2 measured rows: saturated below the highest concurrency."
    assert words in title(client, three_rows)


def test_cells_of_one_reason_share_it(client, matrix):
    for column in (5, 6):
        make_cell(matrix, column, None)
    job = make_job(host=matrix.host, state="failed", **WORK, **MESSAGE)
    cell = make_cell(matrix, 7, job)

    html = page(client, matrix).text

    reasons = html.partition('class="in findings-of"')[2].partition("</ul>")[0]
    lines = [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in reasons.split("<li>")[1:]]
    assert [line.partition(" 1024")[0] for line in lines] == [
        "failed: Step measure failed with exit code 3.",
        "skipped: Max concurrency of the engine is 8.",
    ]
    assert lines[1].endswith("1024 → 256 @ 16 , 1024 → 256 @ 32 , 1024 → 256 @ 64")
    assert f'href="#run-{cell.pk}"' in reasons
    unfolded = re.sub(r"<[^>]+>", " ", html.partition('<details class="panel more">')[0])
    assert unfolded.count("exit code 3") == 1


def test_the_best_of_a_row_has_its_mark(client, measured_row):
    Result.objects.filter(job__cell__concurrency=8).update(disturbed=True)

    text = conclusion(client, measured_row)

    assert "Best throughput 182 tok/s at concurrency 8, disturbed" in text


def test_a_cell_with_a_clean_run_has_no_mark(client, measured_row):
    Result.objects.filter(job__cell__concurrency=4, job__cell__repeat=1).update(disturbed=True)

    html = page(client, measured_row).text

    assert 'dist">disturbed</span>' not in html.partition('id="matrix-runs"')[0]


def test_the_conclusion_of_an_open_row_is_preliminary(client, measured_row):
    last = measured_row.cells.get(concurrency=8, repeat=2)
    MatrixCell.objects.filter(pk=last.pk).update(job=make_job(host=measured_row.host, **WORK))

    assert "Preliminary: runs are still open. 64 → 32" in conclusion(client, measured_row)


def test_each_cell_of_a_row_has_its_own_warm_up(client, measured_row):
    for cell in measured_row.cells.all():
        tokens = 1000 + 50 * cell.concurrency
        Result.objects.filter(job=cell.job).update(
            metrics={**cell.job.result.metrics, "engine_output_tokens": tokens}
        )
        argv = ["perf", "--warmup-num", str(cell.concurrency)]
        Job.objects.filter(pk=cell.job_id).update(plan={"steps": [{"argv": argv}]})

    text = conclusion(client, measured_row)

    for n, words in (
        (1, "1 warm-up request"),
        (2, "2 warm-up requests"),
        (8, "8 warm-up requests"),
    ):
        assert f"Concurrency {n}: the engine also counts {words}." in text
    assert "without a known cause" not in text


def test_disturbed_runs_count_only_where_no_others_exist(client, measured_row):
    results = Result.objects.filter(job__cell__matrix=measured_row)
    of_top = results.filter(job__cell__concurrency=8)
    of_top.filter(job__cell__repeat=1).update(disturbed=True, metrics={"output_tokens_per_s": 900})

    assert "Saturated at concurrency 4." in conclusion(client, measured_row)

    of_top.update(disturbed=True)
    assert "Some cells have only runs that do not count." in conclusion(client, measured_row)


def test_the_metric_is_chosen_in_the_address(client, matrix):
    html = page(client, matrix, "?metric=ttft_p50_ms").text

    assert ">321<" in html
    assert 'value="ttft_p50_ms" selected' in html
    assert "metric=ttft_p50_ms" in html.partition('id="matrix"')[2].partition(">")[0]
    for unknown in ("nothing", "", "__class__", "x" * 300):
        answer = page(client, matrix, f"?metric={unknown}")
        assert (answer.status_code, answer.context["page"].metric) == (200, "output_tokens_per_s")


def test_the_rate_of_a_cell_is_in_the_chosen_unit(client, measured_row):
    Result.objects.update(run_context={"dies": ["0", "1"]})

    each = page(client, measured_row, "?per=die").text

    assert ">25.0<" in each and ">50.0<" not in each
    assert "Output tokens/s per die</h2>" in each
    assert "power was not measured)." in page(client, measured_row, "?per=watt").text


def test_the_csv_has_every_run_and_the_reason_of_every_other(client, matrix):
    answer = page(client, matrix, "?format=csv")

    rows = rows_of(answer)
    assert [row["state"] for row in rows] == [
        *("succeeded", "running", "queued", "failed", "skipped")
    ]
    assert rows[0]["output_tokens_per_s [tokens/s]"] == "51.25"
    assert rows[4]["reason"] == "Max concurrency of the engine is 8."
    assert [row["concurrency"] for row in rows] == ["1", "2", "4", "8", "16"]


def test_a_failed_cell_is_run_again_from_the_table_of_its_matrix_alone(client, matrix):
    cell = matrix.cells.get(column=3)
    other = Matrix.objects.create(title="b", kind="benchmark", host=matrix.host, spec={})

    answer = client.post(reverse("matrix-cell-run", args=[other.pk, cell.pk]))
    assert answer.status_code == 404
    client.post(reverse("matrix-cell-run", args=[matrix.pk, cell.pk]))

    cell.refresh_from_db()
    assert cell.job.repeats is not None
    assert AuditEntry.objects.get(action="job.repeat").detail["matrix"] == matrix.pk


def test_a_done_cell_is_run_so_many_more_times(client, matrix):
    address = reverse("matrix-cell-run", args=[matrix.pk, matrix.cells.get(column=0).pk])
    runs = 1

    for n, count in (("3", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 30, 1)):
        client.post(address, {"n": n})
        runs += count
        repeats = matrix.cells.filter(column=0).values_list("repeat", flat=True)
        assert list(repeats) == [*range(1, runs + 1)], n


def test_the_matrix_is_cancelled_after_a_confirmation(client, matrix):
    address = reverse("matrix-cancel", args=[matrix.pk])

    assert "2 jobs will be cancelled" in client.get(address).text
    assert matrix.cells.get(column=2).job.state == "queued"
    client.post(address)

    assert matrix.cells.get(column=2).job.state == "cancelled"
    assert matrix.cells.get(column=1).job.cancel_asked_at is not None
    assert AuditEntry.objects.get(action="job.cancel").subject == f"matrix {matrix.pk}"


def test_it_is_resumed_by_a_button(client, matrix):
    assert "Rerun 1 run without result" in page(client, matrix).text

    client.post(reverse("matrix-resume", args=[matrix.pk]))

    assert matrix.cells.get(column=3).job.state == "queued"
    assert "Resume" not in page(client, matrix).text


def test_a_matrix_is_renamed(client, matrix):
    address = reverse("matrix-rename", args=[matrix.pk])

    client.post(address, {"title": " Night  of fp8 "})

    assert f"{matrix.pk} Night of fp8" in text_of(client.get(reverse("matrix-list")))
    again = re.search(r'href="(/launch/matrix/[^"]*)"', client.get(f"/matrices/{matrix.pk}/").text)
    assert again and "title=Night+of+fp8" in again[1]
    entry = AuditEntry.objects.get(action="matrix.rename")
    assert (entry.subject, entry.detail) == (
        f"matrix {matrix.pk}",
        {"title": "Night of fp8", "before": "r1"},
    )
    assert "Enter a text." in client.post(address, {"title": " "}, follow=True).text
    client.post(address, {"title": "Night of fp8"})
    assert AuditEntry.objects.filter(action="matrix.rename").count() == 1


def test_a_spec_of_another_version_is_no_failure(client, matrix):
    Matrix.objects.update(spec={"workload": 7, "concurrency": "x", "params": None})

    assert page(client, matrix).status_code == 200


def test_its_jobs_and_the_list_name_the_matrix(client, matrix):
    job = matrix.cells.get(column=0).job

    html = client.get(reverse("job-detail", args=[job.pk])).text

    assert reverse("matrix-detail", args=[matrix.pk]) in html
    assert f"{matrix.pk} r1" in text_of(client.get(reverse("matrix-list")))


def test_three_more_runs_are_one_click_on_a_result(client, matrix):
    job = matrix.cells.get(column=0).job
    fields = {"id": f"res-{job.result.pk}", "n": 3, "from": "result"}

    answer = client.post(reverse("result-run-more"), fields)

    assert answer["Location"] == reverse("result-detail", args=[job.result.pk])
    assert Job.objects.filter(repeats=job).count() == 3
    assert "Run 3×" in client.get(answer["Location"]).text


def test_a_report_has_rows_that_still_rise(three_rows):
    asked = KINDS["matrix"].asked.model_validate({"id": three_rows.pk, "format": "md"})

    report = make(KINDS["matrix"], asked).text

    part = report.partition("Conclusion by row")[2]
    row = next(line for line in part.splitlines() if line.startswith("| 1024 → 32"))
    assert "| n/a | Not saturated: throughput still rises at concurrency 8" in row
