"""Reports: each kind, language and format; their numbers are those of the API and of the pages."""

import csv
import io
import re
from itertools import product

import pytest
from django.urls import reverse
from django.utils.translation import override

from dashboard.charts import matrix_heat
from dashboard.reports.make import KINDS
from dashboard.text.formatting import full_moment
from jobs.models import Matrix, Note, Result, SignOff
from jobs.plans import Plan, Step
from jobs.queries.matrices import matrix_page
from tests.comparing import text_of
from tests.dashboard.reports.conftest import MESSAGE
from tests.factories import (
    keep_secret,
    make_cell,
    make_evaluation,
    make_host,
    make_job,
    make_level,
    make_measured,
    make_plan,
    make_user,
)
from tests.jobs.lib.importing import EVALUATION, imported
from tests.jobs.lib.token_using import make_used

pytestmark = pytest.mark.django_db

FORMATS = ("html", "md", "csv")
HEADS = {"html": "[>：:] ?%s</h2>", "md": "\n## %s\n"}
DATED = "vllm-0.7.2/benchmark_serving_ok.json"  # 2026-11-24 in the file
TITLES = {
    "en": ("Conclusion", "Numbers", "Method"),
    "zh": ("结论", "数据", "方法"),
}


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_report_has_its_three_parts(write, given, language):
    for kind, format in product(sorted(KINDS), HEADS):
        text = write(kind, language, format, **given(kind))
        heads = [HEADS[format] % title for title in TITLES[language]]
        places = [re.search(head, text).start() for head in heads]
        assert places == sorted(places), (kind, format)


def test_typed_counts_have_a_report_too(write):
    text = write("parity", format="md", base_counts="154/159", counts="155/159")

    assert "Typed counts" in text


@pytest.mark.postgresql
def test_the_language_is_not_the_readers(write, given):
    with override("zh-hans"):
        texts = [write(kind, "en", "md", **given(kind)) for kind in KINDS]

    assert not re.search("[\u4e00-\u9fff]", "".join(texts))


def test_texts_and_commands_are_those_of_the_pages(write, made, client):
    client.force_login(make_user("ada"))
    result = made.base[0]
    page = text_of(client.get(reverse("result-detail", args=[result.pk])).content.decode())
    script = client.get(reverse("job-script", args=[result.job_id])).content.decode()

    html = write("result", id=f"res-{result.pk}")

    title = re.search("<title>(.*?)</title>", html)[1]
    assert title in page and "mean of 3 runs" in title
    for text in ("Saturated at concurrency 2. More concurrency adds latency only.", "95.5 tok/s"):
        assert text in page
        assert text in text_of(html)
    assert f"```sh\n{script}```" in write("result", format="md", id=f"res-{result.pk}")


def test_a_simulated_result_says_so_before_its_numbers(write):
    result = make_measured(points=[(1, {"output_tokens_per_s": 50.0})], simulated=True)

    text = text_of(write("result", id=f"res-{result.pk}"))
    chinese = write("result", "zh", id=f"res-{result.pk}")

    words = "The numbers were not measured on hardware."
    assert text.index(words) < text.index("Conclusion")
    assert "数值并非在硬件上测得" in chinese


def test_notes_and_releases_are_remarks(write, made):
    result, ada = made.base[0], make_user("ada")
    Note.objects.create(result=result, text="cold aisle", created_by=ada)
    SignOff.objects.create(result=result, purpose="ACME", created_by=ada)

    text = write("result", format="md", id=f"res-{result.pk}")

    remarks = text.partition("## Remarks")[2]
    assert "cold aisle" in remarks
    assert "Released: ACME (ada, " in remarks


def test_a_secret_is_a_name_in_a_report(write):
    value = keep_secret("HF_TOKEN", "hf_0123456789abcdef")
    step = Step("measure", ("client",), env=(("HF_TOKEN", "{secret:HF_TOKEN}"),))
    job = make_job(plan=Plan("benchmark", (step,)), state="succeeded")
    result = make_measured(job=job, points=[(1, {"output_tokens_per_s": 50.0})])

    for format in FORMATS:
        text = write("result", format=format, id=f"res-{result.pk}")
        assert "SECRET_HF_TOKEN" in text
        assert value not in text


def test_a_level_bounds_the_conclusion(write, made):
    level = make_level(name="Quick", limits={"ttft_p50_ms": 100.0})

    text = text_of(write("result", id=f"res-{made.base[0].pk}", level=str(level.pk)))

    assert "Quick: TTFT p50 ≤ 100 ms. Fastest that meets it: concurrency 4." in text


def test_marks_stand_beside_the_numbers_of_a_report(write, made):
    Result.objects.filter(pk=made.base[0].pk).update(loaded=True)
    Result.objects.filter(job__cell__matrix=made.matrix).update(disturbed=True)

    result = text_of(write("result", id=f"res-{made.base[0].pk}"))
    matrix = text_of(write("matrix", id=made.matrix.pk))

    assert "4 loaded host" in result
    assert "hollow: loaded host" in write("result", id=f"res-{made.base[0].pk}")
    assert "51.2 tok/s (disturbed), 1024 → 256" in matrix
    assert "51.2 disturbed" in matrix


def test_a_matrix_names_skipped_and_failed_cells(write, matrix):
    text = text_of(write("matrix", id=matrix.pk))

    assert re.search(
        "r1: highest output throughput 51.[23] tok/s, 1024 → 256 at concurrency 1", text
    )
    assert "Max concurrency of the engine is 8: 1024 → " in text
    assert "is online but no longer has this job: #" in text
    assert "Shuffled order, seed 7" in text


@pytest.mark.parametrize("format", ["html", "md", "csv"])
def test_a_matrix_without_a_cell_says_which(write, matrix, format):
    done = make_job(host=matrix.host, state="succeeded")
    make_measured(job=done, points=[(4, {"output_tokens_per_s": 7.0})])
    make_cell(matrix, 2, done, row=1, input_tokens=64, output_tokens=32)

    text = write("matrix", format=format, id=matrix.pk)

    assert "Not in this matrix (2): 64 → 32 @ 1, 64 → 32 @ 2" in text.replace("&gt;", ">")
    heads = matrix_heat.figure(matrix_page(matrix.pk)).data[0]
    assert (heads["x"], heads["z"][1]) == (["1", "2", "4"], [None, None, 7.0])


def test_a_reason_of_several_runs_is_said_once(write, matrix):
    again = make_job(host=matrix.host, state="failed", **MESSAGE)
    make_cell(matrix, 3, again)

    text = text_of(write("matrix", id=matrix.pk, profile="customer"))

    assert "no longer has this job (2): 1024 → 256 @ 2, 1024 → 256 @ 8" in text
    assert text.count("no longer has this job") == 1


def test_a_matrix_has_its_commands_once_and_the_lines_that_differ(write, db):
    host = make_host()
    matrix = Matrix.objects.create(title="r1", kind="benchmark-online", host=host, spec={})
    jobs = [
        make_job(host=host, state="succeeded", plan=make_plan(steps=(Step("measure", argv),)))
        for argv in (("bench", "--len", "64"), ("bench", "--len", "64"), ("bench", "--len", "128"))
    ]
    for column, job in enumerate(jobs):
        make_measured(job=job, points=[(1, {"output_tokens_per_s": 51.25})])
        make_cell(matrix, column, job)

    text = write("matrix", id=matrix.pk, format="md")

    first, others = text.split("### Other runs: the lines that differ")
    assert "### Commands of 1024 → 256 @ 1, 1024 → 256 @ 2" in first
    assert first.count("--len 64\n") == others.count("--len 128\n") == 1
    assert "# 1024 → 256 @ 4\n" in others
    assert "set -" in first and "set -" not in others  # what all have in common


def test_reports_have_the_date_of_an_import_s_file_and_who_declared_it(write, made):
    cleo, device = make_user("cleo"), "8 × H800"
    theirs = f"res-{imported(DATED, user=cleo, device=device, engine='vLLM 0.7.2').pk}"
    base = imported(EVALUATION, user=cleo, device=device)

    for format in FORMATS:
        alone = write("result", format=format, id=theirs)
        both = write("comparison", format=format, id=[f"res-{made.base[0].pk}", theirs])
        parity = write("parity", format=format, **sides(base, made.scored)).replace("\\", "")
        for text in (alone, both):
            assert "24 Nov 2026" in text and "vLLM 0.7.2" in text
        assert full_moment(base.imported.measured_at) in parity
        for text in (alone, both, parity):
            assert device in text and "Measured by others" in text
            assert "cleo" in text.partition("Declared")[2]


def sides(base, result):
    return {"base": f"res-{base.pk}", "id": f"res-{result.pk}"}


def test_a_statement_of_two_results_is_a_report(write):
    base, result = make_evaluation([1] * 9 + [0]), make_evaluation([1] * 8 + [0, 0])

    text = write("parity", "en", "md", **sides(base, result), margin="2")
    rows = rows_of(write("parity", "en", "csv", **sides(base, result)))

    assert ": cannot tell within 2 points" in text.partition("\n")[0]
    assert f"res-{result.pk}" in text
    (gap,) = [row for row in rows if row["row"] == "Difference"]
    assert float(gap["value"]) == pytest.approx(-10)
    assert (gap["n"], gap["n_of"], gap["unit"]) == ("10", "questions", "points")


def test_a_statement_has_the_settings_of_both_runs(write):
    pair = [
        make_evaluation([1, 1, 0], params={"max_tokens": most, "limit": 0}) for most in (48, 64)
    ]

    text = write("parity", "en", "md", **sides(*pair))

    assert re.findall(r"Max output tokens \| (\d+)", text) == ["48", "64"]
    assert text.count("| Question limit | none |") == 2  # 0: all questions


def test_a_chinese_report_has_chinese_signs(write):
    pair = [make_evaluation(scores) for scores in ([1, 1, 0], [1, 0, 0])]

    text = write("parity", "zh", "md", **sides(*pair))

    assert "（配对，Tango）" in text
    assert re.search(r"日 \d\d:\d\d:\d\d UTC", text)
    assert "| 题数 | 3 |" in text


def test_a_comparison_has_the_budget_curve_with_its_table(write):
    base, result = make_used(), make_used(limit=None)
    Result.objects.filter(pk=result.pk).update(label="int8")

    html = write("comparison", "en", "html", id=[f"res-{base.pk}", f"res-{result.pk}"])
    rows = rows_of(write("comparison", "en", "csv", id=[f"res-{base.pk}", f"res-{result.pk}"]))

    assert "Accuracy vs token budget" in html
    within = [
        (row["row"], float(row["value"]), row["n"], row["n_of"])
        for row in rows
        if row["part"].startswith("Accuracy by token budget") and row["value"]
    ]
    shares = [("16", 0.25), ("32", 0.25), ("64", 0.5), ("100", 0.5)]
    base_and_other = [one for one in shares for _column in range(2)]
    of_questions = [(budget, share, "4", "questions") for budget, share in base_and_other]
    # The second one has no limit of 100, and no budget of 100 in its curve.
    assert within == of_questions[:-1]


def test_a_comparison_of_evaluations_begins_with_its_statement(write):
    base, result = make_evaluation([1] * 9 + [0]), make_evaluation([1] * 8 + [0, 0])

    text = write("comparison", "en", "md", id=[f"res-{base.pk}", f"res-{result.pk}"], margin="2")

    assert "cannot tell within 2 points" in text.partition("\n")[0]
    assert text.index("## Parity statement") < text.index("## Conclusion")
