"""Parity page: results, repeats, counts, pasted tables, and what is refused."""

import html
import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dashboard.pages.parity.words import is_weighted, right_text
from jobs.models import Import, Result
from jobs.queries.parity.statement import parity, state
from jobs.services.outcomes import answer_rows
from jobs.statistics import Evidence, Share, wilson
from jobs.statistics.paired import monitored_z
from tests.factories import make_deployment, make_evaluation, make_job, make_measured, make_user
from tests.jobs.lib import answering

GUIDE = Path("tests/data/guide/seed.md").read_text()
TABLES = "\n".join(
    line.strip() for line in GUIDE[GUIDE.index("| dataset |") :].split("```")[0].splitlines()
)
COUNTS = {"base_counts": "154/159,933/976", "counts": "155/159,929/976"}


@pytest.fixture
def reader(client):
    client.force_login(make_user("lin", role="viewer"))
    return client


@pytest.fixture
def client_of():
    def of(name):
        client = Client()
        client.force_login(make_user(name, role="viewer"))
        return client

    return of


def repeats(*each):
    served = make_deployment()
    job = {"kind": "evaluate", "state": "succeeded", "host": served.host}
    return [make_measured(scores=scores, job=make_job(**job), deployment=served) for scores in each]


def page(client, status=200, **query):
    response = client.get(reverse("parity"), query)
    assert response.status_code == status
    return html.unescape(response.content.decode())


def two(base, result):
    return {"base": f"res-{base.pk}", "id": f"res-{result.pk}"}


def heading(client, ids):
    """The title of a comparison, and its page."""
    text = html.unescape(client.get(reverse("result-compare"), {"id": ids}).content.decode())
    return text.partition("<h1>")[2].partition("</h1>")[0], text


def test_an_empty_page_asks_for_two_sides_and_the_usual_question_first(reader):
    one = make_evaluation([1, 0])

    text = page(reader)

    assert "As accurate as the baseline?" in text
    option = text.partition(f'<option value="res-{one.pk}">')[2].partition("</option>")[0]
    when = f"{timezone.localtime(one.created_at):%Y-%m-%d %H:%M}"
    assert option.split(", ") == [f"res-{one.pk} {one.model_id}", one.label, one.what, when]
    assert 'id="statement"' not in text
    firsts = {}
    for name in ("r", "c", "t"):
        options = text.partition(f'id="{name}-goal"')[2].partition("</select>")[0]
        firsts[name] = re.search(r'<option value="(\w*)"', options)[1]
    assert firsts == {"r": "", "c": "at_least", "t": "at_least"}


def test_a_link_from_a_result_fills_one_side(reader):
    make_job()  # its number is no result's
    one = make_evaluation([1, 0])

    shown = reader.get(reverse("result-detail", args=[one.pk])).content.decode()
    text = page(reader, id=f"res-{one.pk}")

    assert one.pk != one.job_id
    assert f'{reverse("parity")}?id=res-{one.pk}"' in shown
    assert f'name="name" value="res-{one.pk}"' in text
    assert "form-error" not in text


def test_one_result_leads_to_an_evaluation_that_stops_early(client):
    client.force_login(make_user("lin"))
    base, _result = answering.make_evaluations(questions="basics")

    body = page(client, id=f"res-{base.pk}")

    href = html.unescape(re.search(r'href="(/launch/evaluate/\?[^"]*stop_early=1[^"]*)"', body)[1])
    sent = parse_qs(urlsplit(href).query)
    assert (sent["baseline"], sent["questions"]) == ([f"res-{base.pk}"], ["basics"])
    assert (sent["max_tokens"], sent["temperature"]) == (["64"], ["0.0"])
    form = client.get(href).content.decode()
    assert re.search(rf'<option value="res-{base.pk}" selected', form)


def test_stored_planned_questions_stay_out_of_links(reader):
    base, early = answering.make_evaluations()
    early.metrics["planned_questions"] = 20  # of 24: a host may say what it likes
    early.save()

    text = page(reader, base=f"res-{base.pk}", id=f"res-{early.pk}")

    assert "planned=" not in text
    assert "24 questions, of which 20 were planned. Look number 1." in text
    by_name = {"base_name": f"res-{base.pk}", "name": f"res-{early.pk}"}
    assert reader.get(reverse("parity"), by_name).status_code == 302


def test_an_early_stop_names_the_quantile_of_its_accuracies(reader):
    base, early = answering.make_evaluations()
    early.metrics["planned_questions"] = 30  # 24 of them were asked
    early.save()

    text = page(reader, base=f"res-{base.pk}", id=f"res-{early.pk}")

    row = parity([base], [early], 1.0, "same").statement.pooled
    assert row.first == wilson(row.rights[0], 24, monitored_z(24, 30))
    assert "Wilson's interval with the quantile 2.51 in place of 1.96." in text


def test_neither_several_samples_nor_a_viewer_lead_to_a_launch(client, reader):
    base, _result = answering.make_evaluations()
    assert "stop_early" not in page(reader, id=f"res-{base.pk}")
    client.force_login(make_user("wu"))
    base, _result = answering.make_evaluations(samples=4)

    assert "stop_early" not in page(client, id=f"res-{base.pk}")


def test_a_typed_number_of_a_job_becomes_that_of_its_result(reader):
    make_job()  # so that the job of one result has the number of another
    base = repeats([1, 1, 0], [1, 0, 0])
    result = make_evaluation([1, 1, 1])
    typed = {"base_name": f"res-{base[0].pk}，#{base[1].job_id}", "name": f"#{result.job_id}"}

    response = reader.get(reverse("parity"), {**typed, "margin": "2"})

    ids = f"res-{base[0].pk},res-{base[1].pk}"
    query = f"base={ids}&id=res-{result.pk}&margin=2&goal=same"
    assert response["Location"] == f"{reverse('parity')}?{query}"
    text = html.unescape(reader.get(response["Location"]).content.decode())
    assert f'name="base_name" value="res-{base[0].pk}, res-{base[1].pk}"' in text
    job, own = result.job_id, f"res-{result.pk}"
    unmarked = page(reader, 422, base_name=str(job), name=f"res-{base[0].pk}")
    assert f"“{job}” is no result. Results are written as res-15. #{job} is a job;" in unmarked
    assert f"its result is {own}." in unmarked


def test_two_results_have_a_statement_and_a_warning_that_names_both_sides(reader):
    base, result = make_evaluation([1] * 90 + [0] * 10), make_evaluation([1] * 60 + [0] * 40)
    for one, cut in ((base, 1), (result, 30)):
        one.metrics |= {"answers_total": 40, "answers_cut": cut}
        one.save()

    text = page(reader, **two(base, result))

    assert "<h1>Worse by 30.00 points</h1>" in text
    assert "0 fixed, 30 regressed" in text
    assert "paired, Tango" in text
    assert "p < 0.001" in text
    assert f"base=res-{result.pk}&id=res-{base.pk}&margin=1" in text  # swapped
    assert "Cut at the token limit: baseline 2.50 %, result 75.00 %." in text


def test_counts_have_the_guides_statement_and_a_file(reader):
    text = page(reader, **COUNTS, margin="1", sets="cluewsc-dev,cluewsc-test")
    response = reader.get(reverse("parity"), {**COUNTS, "format": "csv"})

    assert "about 5\u202f900 more questions show it with a power of 80 %" in text
    assert "−0.26 [−1.97, +1.44]" in text
    assert "Do not quote the plain mean of the sets, +0.110 points" in text
    assert text.count("+0.110") == 1  # one direction
    assert ">cluewsc-test</th>" in text
    lines = response.content.decode("utf-8-sig").splitlines()
    assert response["Content-Disposition"] == 'attachment; filename="parity.csv"'
    assert len(lines) == 4
    assert lines[3].startswith("pooled,,1087,1135,0.9577")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"base": "x", "id": "1"}, "“x” is no result. Results are written as res-15."),
        ({"base": ",", "id": "res-1"}, "Enter the number of a result"),
        ({"base": "res-999999", "id": "res-1"}, "res-999999 does not exist"),
        ({"base_name": "#999999", "name": "1"}, "#999999 has no result."),
        ({"base_name": "R1", "name": "1"}, "“R1” is no result. Results are written as res-15."),
        ({"base_name": "res-1," * 17}, "At most 16 results a side."),
        ({"base_counts": "1/2"}, "Enter counts such as 154/159, 933/976."),
        (
            {"base_counts": "90/100", "counts": "900/1000", "sets": "gsm8k"},
            "Data set gsm8k: 100 questions in the baseline, 1000 in the result.",
        ),
        ({**COUNTS, "margin": "0"}, "Enter a margin from 0.01 to 50 points."),
        ({**COUNTS, "planned": "12"}, "Fewer than the 1135 questions"),
        ({**COUNTS, "base": "res-1", "id": "res-2"}, "only one of the three"),
    ],
)
def test_what_is_wrong_stands_at_its_field(reader, query, problem):
    text = page(reader, 422, **query)

    assert problem in text
    assert 'id="statement"' not in text


def test_an_error_stands_at_the_form_that_was_sent(reader):
    text = page(reader, 422, **COUNTS, margin="0")
    table = pasted(reader, tables=TABLES[TABLES.rindex("| dataset |") :], base_name="x")[1]

    assert text.count("Enter a margin from 0.01 to 50 points.") == 1
    assert text.index('id="ask-counts"') < text.index("Enter a margin") < text.index("ask-tables")
    assert table.count("form-error") == 1
    assert table.index('id="ask-tables"') < table.index("“x” is no result.")


def pasted(client, **data):
    response = client.post(reverse("parity"), data)
    return response.status_code, html.unescape(response.content.decode())


def test_pasted_tables_have_a_statement_at_once(reader):
    status, text = pasted(reader, tables=TABLES, baseline="second", margin="1")

    assert status == 200
    assert "DeepSeek-R1-va16-0403-32768 vs DeepSeek-R1-h800-32768" in text
    assert "+0.105" in text
    assert "−0.26 [−1.97, +1.44]" in text
    assert "Number of questions from the catalogue: cluewsc-dev, cluewsc-test." in text
    link = f"base_counts={quote('96.86%159,95.59%976', safe=',')}"
    assert link in text
    assert Result.objects.count() == 0


OURS, H800 = "DeepSeek-R1-va16-0403-32768", "DeepSeek-R1-h800-32768"


@pytest.mark.parametrize("is_turned", [False, True])
def test_names_and_sign_of_pasted_tables_reach_another_person(reader, client_of, is_turned):
    cut = TABLES.rindex("| dataset |")
    parts = [TABLES[:cut].strip(), TABLES[cut:].strip()]
    _status, text = pasted(reader, tables="\n".join(parts[::-1] if is_turned else parts))
    link = re.search(r'data-copy-text="http://testserver([^"]+)"', text)[1]
    report = f"{reverse('report-parity')}?{urlsplit(link).query}&format=md"

    another = client_of("wu")
    texts = [
        text,
        html.unescape(another.get(link).content.decode()),
        another.get(report).content.decode().replace("\\", ""),
    ]

    for shown in texts:
        assert f"{OURS} vs {H800}: accuracy −0.26 points" in shown
        assert "+0.105" in shown
    for shown in texts[:2]:
        tiles = re.findall(r'<dt>(\w+)<span class="small sub named">([^<]+)<', shown)
        heads = re.findall(r'class="r">(\w+)<span class="small sub named">([^<]+)<', shown)
        assert tiles == heads == [("Baseline", H800), ("Result", OURS)]
    assert f"| Data set | Baseline {H800} | Result {OURS} |" in texts[2]


def test_names_that_do_not_tell_the_baseline_are_asked(reader):
    tables = TABLES.replace(OURS, "R1-a").replace(H800, "R1-b")

    status, text = pasted(reader, tables=tables)

    assert status == 422
    assert "Choose: first “R1-a”, second “R1-b”." in text
    assert "R1-b vs R1-a" in pasted(reader, tables=tables, baseline="first")[1]
    assert "R1-a vs R1-b" in pasted(reader, tables=tables, baseline="second")[1]


def test_one_table_is_compared_with_a_result(reader):
    base = make_evaluation([1, 0])
    base.answers.update(subset="cluewsc-dev")
    answer_rows.keep(base)
    table = TABLES[TABLES.rindex("| dataset |") :]

    status, text = pasted(reader, tables=table, base_name=f"res-{base.pk}")

    assert status == 200
    assert f"DeepSeek-R1-h800-32768 vs res-{base.pk}" in text
    assert "Only in the result, left out: cluewsc-test." in text


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ("nothing", "No summary table of OpenCompass."),
        (TABLES[TABLES.rindex("| dataset |") :], "One result only."),
        (TABLES + "\n" + TABLES, "4 results. Paste two at most."),
        (TABLES.replace("97.48", "nan"), "cluewsc-dev: “nan” is no score from 0 to 100."),
    ],
)
def test_other_pastes_say_what_to_do(reader, tables, problem):
    status, text = pasted(reader, tables=tables)

    assert status == 422
    assert problem in text


def imported_tables(client):
    client.force_login(make_user("chen"))
    response = client.post(reverse("import-upload"), {"pasted": TABLES})
    assert client.post(response["Location"]).status_code == 302
    return Import.objects.order_by("pk")


def test_pasted_tables_come_back_as_the_same_text_and_have_a_statement(client):
    ids = [f"res-{one.result.pk}" for one in imported_tables(client)]

    title, compared = heading(client, ids)
    address = f"{reverse('result-tables')}?id={ids[0]}&id={ids[1]}"
    written = client.get(f"{address}&format=md").content.decode()

    assert "cannot tell within 1 point" in title
    assert "mean" not in title
    assert address in compared
    assert written == TABLES.strip("\n") + "\n"


def test_names_of_tables_can_be_typed_and_tables_of_nothing_say_so(reader):
    address = reverse("result-tables")
    typed = {"id": f"res-{make_evaluation([1, 0, 1]).pk}", "name": "R1 | int8"}

    text = reader.get(address, typed).content.decode()
    nothing = reader.get(address, {"id": "res-999999"})

    assert "| dataset | version | metric | mode | R1 \\| int8 |" in text
    assert nothing.status_code == 404
    assert "Select evaluations" in nothing.content.decode()


def test_a_comparison_has_the_verdict_as_its_title(reader):
    base, result = make_evaluation([1, 1, 0, 0] * 5), make_evaluation([1, 0, 1, 0] * 5)

    title, text = heading(reader, [f"res-{base.pk}", f"res-{result.pk}"])

    assert "cannot tell within 1 point" in title
    assert "significant" not in title
    assert f"{reverse('parity')}?base=res-{base.pk}&id=res-{result.pk}&margin=1" in text


def test_sets_of_one_name_without_common_questions_have_no_verdict_and_no_number(reader):
    sides = two(*answering.make_sets_of_one_name())

    text = page(reader, **sides)
    file = reader.get(reverse("parity"), {**sides, "format": "csv"})

    assert "<h1>Not comparable</h1>" in text
    statement = text[text.index('id="statement"') :]
    assert "Evaluate both with the same version of the same question set." in statement
    assert "Left out, no common questions: basics/short_en / ours@0123456789ab/short_en" in text
    assert not re.search(r"Better|Worse|Equivalent|%", statement[: statement.index("ask-results")])
    (_head, line) = file.content.decode("utf-8-sig").splitlines()
    assert line.startswith("pooled,,,,,,,,,,,,,,,1.0,,not_comparable,")


def test_a_set_has_its_full_name_and_its_checksum(reader):
    sides = [
        answering.evaluation(answering.answers(wrong={n}), questions="ours@0123456789ab")
        for n in (1, 3)
    ]

    text = page(reader, base=f"res-{sides[0].pk}", id=f"res-{sides[1].pk}")

    assert re.search(r">ours@0123456789ab/short_en\s*<", text)
    assert re.search(r">same questions, SHA-256 [0-9a-f]{12}…<", text)


def test_a_group_of_two_models_is_refused(reader):
    base, other, result = (
        make_evaluation([1, 0, 1], model_id=model) for model in ("r1", "r1-distill", "r1")
    )

    text = page(reader, 422, base=f"res-{base.pk},res-{other.pk}", id=f"res-{result.pk}")

    assert f"res-{base.pk} and res-{other.pk} are not repeats of one evaluation." in text
    assert "Model" in text[text.index("are not repeats") :][:80]


def test_a_shared_link_of_tables_names_what_was_left_out(reader, client_of):
    other = "| gsm8k | 1d7fe4 | accuracy | gen | 92.1 |"
    _status, shown = pasted(reader, tables=TABLES.replace("| avg", f"{other}\n| avg", 1))
    link = re.search(r'data-copy-text="([^"]*)"', shown)[1]

    text = html.unescape(client_of("wu").get(link).content.decode())

    assert "In the pasted tables, but left out: gsm8k." in text


def test_equal_sets_have_numbers_of_their_own_and_a_margin_is_kept(reader):
    text = page(reader, base_counts="154/159,154/159", counts="155/159,155/159", margin="1.5")

    assert "Set 1</th>" in text
    assert "Set 2</th>" in text
    assert "is-invalid" not in text
    assert 'name="margin" type="number" step="any" min="0.01" max="50" value="1.5"' in text


def test_a_comparison_of_groups_needs_no_query_for_each_run(client):
    client.force_login(make_user("lin", role="viewer"))

    def queries(runs):
        sides = [repeats(*[[1, 1, 0, 1]] * runs), repeats(*[[1, 0, 0, 1]] * runs)]
        groups = "&".join("group=" + ",".join(f"res-{one.pk}" for one in side) for side in sides)
        with CaptureQueriesContext(connection) as found:
            assert client.get(f"{reverse('result-compare')}?{groups}").status_code == 200
        return len(found)

    assert queries(6) <= queries(2) + 2


# Of the second side some questions have no score.
UNEQUAL = [
    Evidence("dev", "", Share(154, 159), Share(97, 100)),
    Evidence("test", "", Share(933, 976), Share(100, 200)),
]


def test_a_weighted_share_says_so():
    row = state(UNEQUAL, 0.01, "same").pooled
    equal = state([Evidence("dev", "", Share(154, 159), Share(155, 159))], 0.01, "same").pooled

    texts = [re.sub(r"\s", " ", right_text(row, side)) for side in (0, 1)]

    assert texts == ["weighted; 1 087 / 1 135 = 95.77 %", "weighted; 197 / 300 = 65.67 %"]
    assert not any(is_weighted(equal, side) for side in (0, 1))


def family_of(*wrong):
    """The query of results with so many incorrect answers, against one without any."""
    base, *others = (
        answering.evaluation(answering.answers(wrong=range(n)), questions="basics")
        for n in (0, *wrong)
    )
    return {"base": f"res-{base.pk}", "id": ";".join(f"res-{one.pk}" for one in others)}


def test_several_results_have_verdicts_corrected_for_their_number(reader):
    query = family_of(12, 5, 4)
    alone = [page(reader, base=query["base"], id=one) for one in query["id"].split(";")]

    text = page(reader, **query)

    assert all("<h1>Worse by" in one for one in alone)
    assert "1 worse" in text
    assert "2 cannot tell" in text
    assert "corrected for 3 results (Holm 1979)" in text
    assert all(f"?base={query['base']}&id={one}&" in text for one in query["id"].split(";"))
    csv = reader.get(reverse("parity"), {**query, "format": "csv"}).content.decode("utf-8-sig")
    rows = [
        dict(zip(csv.splitlines()[0].split(","), line.split(","), strict=True))
        for line in csv.splitlines()[1:]
    ]
    assert [row["verdict"] for row in rows] == ["worse", "cannot_tell", "cannot_tell"]
    assert [row["verdict_alone"] for row in rows] == ["worse"] * 3


def test_typed_candidates_lead_to_their_statement_and_those_without_a_verdict_are_refused(reader):
    query = family_of(12, 5)
    typed = {"base_name": query["base"], "name": query["id"].replace(";", "； ")}
    first = query["id"].partition(";")[0]
    refused = {
        "is named twice": {**query, "id": f"{first};{first}"},
        "Name two results or more": {**query, "id": f"{first};"},
        "may stop early": {**query, "planned": "30"},
        "At most 12 results": {**query, "id": ";".join(["res-1"] * 13)},
    }

    response = reader.get(reverse("parity"), typed)

    assert response.url == f"{reverse('parity')}?base={query['base']}&id={query['id']}&margin=1"
    for words, asked in refused.items():
        assert words in page(reader, status=422, **asked)
