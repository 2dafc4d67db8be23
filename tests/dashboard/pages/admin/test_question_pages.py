"""Pages of data sets: list, one set, files on hosts, and a team's own set."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from jobs.catalog import QUESTION_SETS
from jobs.catalog.data_sets import DATA_SETS
from jobs.models import AuditEntry, Dataset, Preflight
from jobs.queries.catalogue import results_of
from tests.factories import make_guide_host, make_host, make_job, make_result

pytestmark = pytest.mark.usefixtures("question_folder")
ONE = '{"question": "2 + 3?", "answers": ["5", "five"]}'
TWO = '{"question": "9 > 8?", "choices": ["yes", "no"], "answers": ["A"]}'


def page_of(client, set_id):
    answer = client.get(reverse("question-detail", args=[set_id]))
    assert answer.status_code == 200
    return answer.text


def sent(client, **data):
    form = {"id": "ours", "name": "Ours", "text": f"{ONE}\n{TWO}", "save": "1"}
    return client.post(reverse("question-add"), {**form, **data})


def ours():
    return QUESTION_SETS.of_team("ours")


def test_every_set_has_a_page(member):
    make_guide_host("far")

    shown = {one: page_of(member, one) for one in DATA_SETS}

    for words in ("not known", "prompt 5ab83b", DATA_SETS["cluewsc"].archive.md5):
        assert words in shown["cluewsc"]
    for words in (reverse("model-detail", args=["deepseek-r1"]), "97.3"):  # published figures
        assert words in shown["math_500"]
    assert 'class="version">Version 0.' in page_of(member, "basics")


def test_results_on_a_set_are_pooled_over_its_parts_and_versions():
    row = {"version": "", "metric": "accuracy", "mode": "gen", "group": "cluewsc"}
    parts = [("cluewsc-dev", 100.0, 10), ("cluewsc-test", 50.0, 30), ("math-500", 0.0, 500)]
    sets = [
        {**row, "dataset": name, "value": value, "questions": count} for name, value, count in parts
    ]
    sets.append({**row, "dataset": "short_en", "value": 50.0, "questions": 4})
    sets[-1]["group"] = "ours@123456789012"
    make_result(type="evaluation", run_context={"sets": sets})

    (found,) = results_of("cluewsc")
    assert (found.questions, found.share.value) == (40, 0.625)
    assert results_of("mmlu") == []
    assert [found.questions for found in results_of("ours")] == [4]


def test_files_that_a_job_counted_are_listed(member):
    host = make_guide_host("far")
    counts = {"FewCLUE/cluewsc/dev_few_all.json": 159, "math/test_prm800k_500.jsonl": 500}
    job = make_job(host=host, kind="prepare-datasets")
    fields = {"name": "opencompass", "path": "/x", "files": 3, "bytes": 1}
    Dataset.objects.create(host=host, job=job, details={"counts": counts}, **fields)

    page = page_of(member, "cluewsc")

    assert "dev_few_all.json: 159 items" in page
    assert "test_prm800k_500" not in page


def test_a_host_is_asked_for_the_files_of_a_set(member, monkeypatch):
    asked = []
    monkeypatch.setattr("jobs.schedule.agent_tasks.send", lambda *args: asked.append(args))
    make_guide_host("far")

    answer = member.post(reverse("question-check", args=["math_500", "far"]))

    (row,) = Preflight.objects.all()
    assert (answer.status_code, asked) == (200, [("far", "check", row.pk)])
    entry = AuditEntry.objects.get(action="questions.check")
    assert (entry.subject, entry.detail) == ("host far", {"set": "math_500"})
    paths = [dict(check["args"]).get("paths") for check in row.plan["checks"]]
    assert paths[0].endswith("/opencompass/data/math/test_prm800k_500.jsonl")
    assert "AI-ModelScope/MATH-500" in paths[1].splitlines()[0]


def test_who_may_not_launch_on_a_host_may_not_have_it_look_for_files(member, monkeypatch):
    monkeypatch.setattr("jobs.schedule.agent_tasks.send", lambda *args: pytest.fail("was asked"))
    make_guide_host("far", is_restricted=True)

    answer = member.post(reverse("question-check", args=["math_500", "far"]))

    assert answer.status_code == 403
    assert not Preflight.objects.exists()
    assert AuditEntry.objects.get().action == "access.refused"


def test_a_host_without_cards_is_asked_for_what_evalscope_reads_alone(member, monkeypatch):
    monkeypatch.setattr("jobs.schedule.agent_tasks.send", lambda *args: None)
    make_host("near")

    page, other = page_of(member, "mmlu"), page_of(member, "ifeval")
    member.post(reverse("question-check", args=["mmlu", "near"]))

    (row,) = Preflight.objects.all()
    assert [check["name"] for check in row.plan["checks"]] == ["data_files", "data_set"]
    folder = dict(row.plan["checks"][1]["args"])["path"]
    assert folder == "/datasets/mmlu" and f">{folder}<" in page
    assert "README.md is needed too" in page
    assert ">near</a>: " in other
    assert "no cards; OpenCompass runs on hosts with cards only." in other
    assert member.post(reverse("question-check", args=["ifeval", "near"])).status_code == 404


def test_a_host_says_what_it_lacks_for_a_set(member):
    assert "No hosts yet." in page_of(member, "mmlu")
    make_host("far", facts={"dies": [{"id": 0}]})

    page = page_of(member, "mmlu")

    assert ">far</a>: " in page
    assert "has not reported its folders yet." in page
    assert "No hosts yet." not in page
    assert "cards" not in page.partition("far</a>")[2].partition("</li>")[0]


def test_a_set_is_checked_before_it_is_saved_and_an_error_is_at_its_line(member):
    answer = member.post(reverse("question-add"), {"id": "ours", "text": ONE, "check": "1"})
    wrong = sent(member, text=f'{ONE}\r\n{{"question": "A?"}}')

    assert answer.status_code == 200
    assert "2 + 3?" in answer.text
    assert wrong.status_code == 422
    assert "Enter the correct answer" in wrong.text and ">2</td>" in wrong.text
    assert ours() is None


def test_a_saved_set_is_listed_and_has_its_own_page_and_audit_entry(member):
    answer = sent(member)

    assert answer.url == reverse("question-detail", args=["ours"])
    assert (ours().current.questions, ours().current.by) == (2, "lin")
    (entry,) = AuditEntry.objects.filter(action="questions.change")
    assert (entry.detail["did"], entry.detail["version"]) == ("add", ours().current.short)
    page = member.get(reverse("question-list")).text
    assert all(f">{one.name}</a>" in page for one in DATA_SETS.values())
    assert ">Ours</a>" in page
    text = member.get(reverse("question-file", args=["ours"])).text
    sent(member, id="again", text=text)
    again = QUESTION_SETS.of_team("again")
    assert again.current.sha256 == ours().current.sha256


def test_an_upload_in_gbk_replaces_the_text(member):
    file = SimpleUploadedFile("q.csv", "question,answer\n中国的首都？,北京\n".encode("gbk"))

    answer = member.post(reverse("question-add"), {"id": "x", "text": ONE, "file": file})

    page = answer.text
    assert "Read as CSV, GBK." in page
    assert "中国的首都？" in page and "2 + 3?" not in page.partition("<pre")[0]


@pytest.mark.parametrize(
    "set_id", ["", "Ours", "add", "basics", "mmlu", "1x", "x" * 33, "a_b", "ours"]
)
def test_a_wrong_or_taken_id_is_refused_at_its_field(member, set_id):
    sent(member)

    answer = sent(member, id=set_id)

    assert len(ours().versions) == 1
    assert (answer.status_code, "id" in answer.context["errors"]) == (422, True)


def test_an_edit_makes_a_version_and_keeps_the_older_one(member):
    sent(member)
    first = ours().current
    address = reverse("question-edit", args=["ours"])
    form = member.get(address).context["typed"]

    member.post(address, {"name": "Ours", "text": ONE, "onto": form["onto"], "save": "1"})

    assert [one.questions for one in ours().versions] == [2, 1]
    detail = reverse("question-detail", args=["ours"])
    page = member.get(f"{detail}?version={first.short}").text
    assert "An older version" in page and "9 &gt; 8?" in page
    assert member.get(f"{detail}?version=123").status_code == 404


def test_an_edit_says_that_the_questions_are_missing(member, tmp_path):
    sent(member)
    (file,) = tmp_path.rglob("ours@*.jsonl")
    file.unlink()

    page = member.get(reverse("question-edit", args=["ours"])).text
    assert "missing or changed on the disk" in page


def test_two_edits_at_once_are_told_apart(member):
    sent(member)
    address, onto = reverse("question-edit", args=["ours"]), ours().current.sha256
    member.post(address, {"text": ONE, "onto": onto, "save": "1"})

    answer = member.post(address, {"text": TWO, "onto": onto, "save": "1"})

    assert answer.status_code == 422
    assert "changed the set after you opened it" in answer.text


def test_a_removed_set_stays_readable_and_comes_back(member):
    sent(member)
    member.post(reverse("question-remove", args=["ours"]))

    assert ">Ours</a>" not in member.get(reverse("question-list")).text
    assert ">Ours<" in member.get(reverse("question-list") + "?removed=1").text
    assert member.get(reverse("question-detail", args=["ours"])).status_code == 200
    member.post(reverse("question-restore", args=["ours"]))
    assert not ours().removed_at


def test_the_api_has_the_key_of_each_set(member):
    sent(member)
    rows = json.loads(member.get(reverse("api-questions")).content)["data_sets"]
    keys = {row["id"]: row["key"] for row in rows}

    assert (keys["basics"], keys["ours"], keys["mmlu"]) == ("basics", ours().key, None)
    one = json.loads(member.get(reverse("api-question-set", args=["mmlu"])).content)
    assert (one["questions"], len(one["parts"])) == (14042, 57)
