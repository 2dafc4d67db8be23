"""Pages, command and API of imports."""

import io
import json
import math
import re
import shutil
import zipfile

import pytest
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from dashboard.text.import_words import declared_rows
from jobs.models import ApiToken, AuditEntry, Import, Result, ResultPoint, SignOff
from jobs.services.intake import quotas
from tests.dashboard.lib.streams import content_of
from tests.factories import make_measured, make_user
from tests.jobs.lib.importing import DATA, EVALUATION, SERVE, UNDATED, imported

RATE = 67.41737017939066
IMPORT = "/results/import/"
SUMMARY = "opencompass-0.4.1/20261124_140927/summary/summary_20261124_140927"
DATED = "vllm-0.7.2/benchmark_serving_ok.json"  # 2026-11-24 in the file


def upload(client: Client, *paths: str, **fields: str):
    files = [SimpleUploadedFile(path.rpartition("/")[2], content(path)) for path in paths]
    return client.post(IMPORT, {"files": files, **fields})


def content(path):
    return (DATA / path).read_bytes()


def test_an_upload_is_shown_to_its_person_before_it_is_stored(client, ann):
    answer = upload(client, SERVE, device="8 × H800", model="DeepSeek-R1")
    page = client.get(answer.url)
    assert "vLLM bench serve" in page.content.decode()
    assert "8 × H800" in page.content.decode()
    assert not Import.objects.exists()
    other = Client()
    other.force_login(make_user("ben"))
    assert other.get(answer.url).url == IMPORT

    done = client.post(answer.url, {"do": "import"})

    result = Result.objects.get()
    assert done.url == f"/results/res-{result.pk}/"
    assert (result.model_id, result.metrics["output_tokens_per_s"]) == ("deepseek-r1", RATE)
    assert client.get(answer.url).url == IMPORT  # the draft is gone


def test_a_pasted_table_is_imported(client, ann):
    answer = client.post(IMPORT, {"pasted": content(f"{SUMMARY}.md").decode()})
    client.post(answer.url, {"do": "import"})

    assert Result.objects.get().metrics["accuracy_macro"] == pytest.approx(0.399)


def test_refused_text_has_its_error_at_its_field(client, ann):
    answer = client.post(IMPORT, {"pasted": "not a result"})

    assert answer.status_code == 422
    assert set(answer.context["errors"]) == {"pasted"}
    page = answer.content.decode()
    assert "not a result</textarea>" in page
    assert page.count('aria-invalid="true"') == 1


def test_a_work_folder_is_uploaded_as_an_archive_and_has_pages(client, ann):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path in (DATA / EVALUATION / "workdir").rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(DATA / EVALUATION))
    files = SimpleUploadedFile("run.zip", target.getvalue())

    answer = client.post(IMPORT, {"files": files})
    client.post(answer.url, {"do": "import"})

    result = Result.objects.get()
    assert result.answers.count() == 40
    assert client.get(f"/results/res-{result.pk}/").status_code == 200
    page = client.get(f"/results/res-{result.pk}/answers/0/").content.decode()
    assert f"res-{result.pk}" in page
    assert "#None" not in page


def test_a_discarded_upload_stores_nothing(client, ann):
    answer = upload(client, SERVE)

    assert client.post(answer.url, {"do": "discard"}).url == IMPORT
    assert client.get(answer.url).url == IMPORT
    assert not Import.objects.exists()


def test_errors_stand_at_their_field(client, ann):
    for answer, text in (
        (client.post(IMPORT, {}), "Choose a file, or paste"),
        (upload(client, "vllm-0.32/bench/serve_fail.json"), "no request succeeded"),
        (upload(client, "vllm-0.32/vllm_serve.log"), "Log of a server"),
        (upload(client, SERVE, pasted="x"), "not both"),
        (upload(client, SERVE, device="x" * 101), "one line of at most 100"),
    ):
        assert answer.status_code == 422
        assert text in answer.content.decode()
        assert "form-error" in answer.content.decode()


def test_a_draft_waits_for_room_beside_the_disk_reserve(client, ann, settings):
    answer = upload(client, SERVE)
    settings.DISK_RESERVE_BYTES = 10**18

    page = client.post(answer.url, {"do": "import"}, follow=True)

    assert "only its reserve left (DISK_RESERVE)" in page.content.decode()
    assert not Import.objects.exists()
    assert not (settings.DATA_DIR / "imports").exists()
    settings.DISK_RESERVE_BYTES = 0
    client.post(answer.url, {"do": "import"})
    assert Import.objects.exists()


def test_the_size_of_an_upload_counts_before_the_disk_reserve(client, ann, settings, monkeypatch):
    size = (DATA / SERVE).stat().st_size
    settings.DISK_RESERVE_BYTES = 1000
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(quotas.shutil, "disk_usage", lambda _: usage._replace(free=999 + size))

    refused = upload(client, SERVE)

    assert refused.status_code == 422
    assert "only its reserve left (DISK_RESERVE)" in refused.context["errors"]["files"]
    assert not (settings.DATA_DIR / "import-drafts").exists()
    caches["process"].clear()
    monkeypatch.setattr(quotas.shutil, "disk_usage", lambda _: usage._replace(free=1000 + size))
    assert upload(client, SERVE).status_code == 302


def test_a_second_import_names_the_first(client, ann):
    first = imported()

    answer = upload(client, SERVE)
    page = client.get(answer.url).content.decode()
    assert f"/results/res-{first.pk}/" in page
    assert 'value="import"' not in page
    assert client.post(answer.url, {"do": "import"}).url == f"/results/res-{first.pk}/"
    assert Import.objects.count() == 1


def test_pages_of_an_imported_result_name_its_origin(client, ann):
    result = imported(device="8 × H800", user=ann)
    name = f"res-{result.pk}"

    page = client.get(f"/results/{name}/").content.decode()
    for text in (name, "8 × H800", "serve_random_chat.json", "imported", "Remove import"):
        assert text in page
    assert re.search(r'href="/jobs/\d', page) is None and "collected" not in result.run_context
    assert (result.stack, result.subject) == ("", "")  # in no fleet, and no baseline
    assert "#None" not in page
    for address in ("/results/", "/results/?stamp=imported", f"/search/?q={name}"):
        listed = client.get(address).content.decode()
        assert "#None" not in listed
        assert f"/results/{name}/" in listed or "search" in address


def test_imports_of_every_type_have_pages(client, ann):
    for path in ("vllm-0.32/bench/latency.json", "vllm-0.32/bench/throughput.json", "lm-eval-0.4"):
        assert client.get(f"/results/res-{imported(path).pk}/").status_code == 200
    page = client.get(f"/results/res-{imported(f'{SUMMARY}.csv').pk}/").content.decode()
    assert "Accuracy, mean of sets" in page


def test_a_comparison_says_that_a_result_is_imported(client, ann):
    mine, theirs = make_measured(points=[(4, {"output_tokens_per_s": 50.0})]), imported()
    ours, other = f"res-{mine.pk}", f"res-{theirs.pk}"

    page, grouped, table = (
        client.get(f"/results/compare/?{query}").content.decode()
        for query in (
            f"id={ours}&id={other}",
            f"group={other},{ours}&group={ours}",
            f"id={ours}&id={other}&format=csv",
        )
    )

    assert "An imported result is included" in page
    assert other in page
    assert "#None" not in page + grouped
    assert "None" not in table


def test_page_and_exports_have_the_device_and_the_date_of_the_file(client, ann):
    result = imported(DATED, device="8 × H800")
    address = f"/results/res-{result.pk}/"

    page = client.get(address).content.decode()
    data = client.get(f"{address}result.json").json()
    response = client.get(f"{address}result.csv")

    assert "2026-11-24" in page
    assert "<dt>Imported</dt>" in page
    assert (data["imported"], data["device"], data["host"]) == (True, "8 × H800", "")
    assert data["measured_at"] == result.imported.measured_at.isoformat()
    assert f'"res-{result.pk}.csv"' in response["Content-Disposition"]
    assert client.get("/results/?format=csv").status_code == 200


def test_an_import_is_tagged_noted_and_signed_off(client, ann):
    result = imported(device="8 × H800")
    address = f"/results/res-{result.pk}/"

    client.post("/results/tags/", {"id": f"res-{result.pk}", "tags": "vendor"})
    client.post(f"{address}notes/", {"text": "from the vendor"})
    client.post(f"{address}sign-off/", {"purpose": "ACME"})
    page = client.get(address).content.decode()

    assert all(text in page for text in ("vendor", "from the vendor", "ACME"))
    entry = AuditEntry.objects.get(action="result.tag")
    assert entry.detail["results"] == [f"res-{result.pk}"]
    assert "#None" not in client.get("/results/?group=identity").content.decode()
    client.force_login(make_user("root", is_staff=True))
    assert f"Result res-{result.pk}" in client.get("/audit/").content.decode()


def test_an_imported_curve_has_its_file_but_no_steps_and_no_more_runs(client, ann):
    result = imported()
    point, address = result.points.get(), f"/results/res-{result.pk}/"
    more = {**point.metrics, "output_tokens_per_s": 2 * RATE}
    ResultPoint.objects.create(
        result=result, index=1, concurrency=2 * point.concurrency, metrics=more
    )

    page = client.get(address).content.decode()
    answer = client.get(f"{address}files/0/")
    client.post("/results/compare/more/", {"id": f"res-{result.pk}", "n": 2})

    assert 'id="conclusion"' in page
    assert "Measure a higher concurrency" not in page
    assert content_of(answer) == (DATA / SERVE).read_bytes()
    assert answer["Content-Disposition"].startswith("attachment")
    assert client.get(f"{address}files/9/").status_code == 404
    assert Result.objects.count() == 1


def test_an_import_is_removed_by_who_did_it(client, ann):
    address = f"/results/res-{imported(user=ann).pk}/remove/"
    other = Client()
    other.force_login(make_user("ben"))

    assert (other.get(address).status_code, other.post(address).status_code) == (403, 403)
    assert client.get(address).status_code == 200
    client.post(address)

    assert not Result.objects.exists()
    entry = AuditEntry.objects.get(action="result.remove")
    assert (entry.user, entry.detail["tool"]) == (ann, "vLLM bench serve")


def test_a_released_import_stays_with_the_reason(client, bearer):
    result = imported(user=ApiToken.objects.get().user)
    client.force_login(result.created_by)
    SignOff.objects.create(result=result, purpose="customer A")
    address = f"/results/res-{result.pk}/remove/"

    asked = client.get(address).content.decode()
    page = client.post(address, follow=True).content.decode()
    answer = client.delete(f"/api/v1/imports/res-{result.pk}", headers=bearer)

    assert "Withdraw its sign-off first" in asked
    assert "Withdraw its sign-off first" in page
    assert (answer.status_code, answer.json()["error"]) == (409, "released")
    assert Result.objects.exists()


def run(*arguments: str, **options: object) -> str:
    out = io.StringIO()
    call_command("import", *arguments, stdout=out, **options)
    return out.getvalue()


def test_a_dry_run_prints_all_figures_or_questions_and_stores_nothing():
    make_user("root", is_staff=True)

    data = json.loads(run(str(DATA / SERVE), "--dry-run", "--json"))
    (evaluation,) = json.loads(run(str(DATA / EVALUATION), "--dry-run", "--json"))["results"]

    (result,) = data["results"]
    shown = [result[name] for name in ("tool", "version", "completed", "failed")]
    assert shown == ["vLLM bench serve", None, 12, 0]
    assert {"name": "output_tokens_per_s", "value": RATE, "unit": "tokens/s"} in result["metrics"]
    assert result["points"][0]["concurrency"] == 4
    assert not Import.objects.exists()
    assert len(evaluation["questions"]) == 40
    assert sum(row["score"] for row in evaluation["questions"]) == 6
    assert evaluation["sets"][0] == {
        **{"dataset": "basic_mcq", "metric": "accuracy"},
        **{"value": 30.0, "questions": 20},
    }


def test_a_refusal_has_its_reason_and_exit_code():
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("import", str(DATA / "opencompass-0.5.4-failed"), "--dry-run", stdout=out)

    assert ended.value.code == 1
    assert "No set has a score: the run failed (basic_mcq, basic_qa)." in out.getvalue()


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({"mean_ttft_ms": "fast"}, "ttft_mean_ms"),
        ({"total_token_throughput": math.nan}, "total_tokens_per_s"),
        ({"mean_tpot_ms": -5.0}, "tpot_mean_ms"),
        ({"p90_e2el_ms": 1973.6, "p99_e2el_ms": 1973.3}, "latency_p99_s"),
        ({"output_throughput": 10 * RATE}, "output_tokens_per_s"),
        ({"duration": "5.7 s", "output_throughput": 10 * RATE}, "output_tokens_per_s"),
    ],
    ids=["text", "nan", "negative", "swapped", "ten times", "unchecked"],
)
def test_a_dry_run_names_the_keys_of_damage_and_leaves_them_out(changes, metric, tmp_path):
    copy = tmp_path / "damaged.json"
    copy.write_text(json.dumps(json.loads(content(SERVE)) | changes))

    (result,) = json.loads(run(str(copy), "--dry-run", "--json"))["results"]

    remarks = "\n".join(result["remarks"])
    assert [key for key, value in changes.items() if f"{key} = {value}" not in remarks] == []
    shown = {one["name"] for one in result["metrics"]}
    assert metric not in shown
    assert "ttft_p99_ms" in shown


def test_a_dry_run_refuses_damage_that_leaves_no_result(tmp_path):
    copy = tmp_path / "damaged.json"
    copy.write_text(json.dumps(json.loads(content(SERVE)) | {"completed": -1}))
    out = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("import", str(copy), "--dry-run", "--json", stdout=out)

    assert ended.value.code == 1
    (refused,) = json.loads(out.getvalue())["refused"]
    assert "completed" in refused["reason"]


def test_the_command_imports_for_an_account_and_declares():
    root = make_user("root", is_staff=True)

    text = run(str(DATA / SERVE), device="8卡 H800", precision="fp8", tp="8")

    result, row = Result.objects.get(), Import.objects.get()
    assert result.created_by == root
    assert (row.devices, row.precision, row.tp) == (8, "fp8", 8)
    assert row.declared_at is not None
    assert f"imported: res-{result.pk}\n" in text
    assert f"already imported: res-{result.pk}" in run(str(DATA / SERVE))
    with pytest.raises(CommandError, match="device: Enter one line"):
        run(str(DATA / SERVE), device="x" * 101)
    with pytest.raises(CommandError, match="No such file"):
        run("/nothere.json")


def api(client: Client, headers: dict[str, str], query: str, body: bytes):
    kind = "application/octet-stream"
    return client.post(f"/api/v1/imports?{query}", body, content_type=kind, headers=headers)


def test_the_api_imports_a_file_declares_it_and_removes_it(client, bearer):
    refused = api(client, bearer, "name=x.json", b"{}")
    assert refused.status_code == 422
    assert refused.json()["fields"]["files"].startswith("Not recognised")
    dry = api(client, bearer, "dry_run=true", content(SERVE))
    assert (dry.json()["results"][0]["result"], Import.objects.exists()) == (None, False)

    answer = api(client, bearer, "name=serve.json&device=8%20H800", content(SERVE)).json()

    (result,) = answer["results"]
    stored = Result.objects.get()
    assert result["result"] == f"res-{stored.pk}"
    row = client.get(f"/api/v1/results/res-{stored.pk}", headers=bearer).json()
    shown = [row[name] for name in ("job", "host", "imported", "device")]
    assert shown == [None, None, True, "8 H800"]
    found = client.patch(
        f"/api/v1/imports/res-{stored.pk}/declared",
        json.dumps({"device": "2 × 8 H800", "precision": "fp8"}),
        content_type="application/json",
        headers=bearer,
    ).json()
    assert (found["devices"], found["precision"], found["declared_by"]) == (16, "fp8", "bearer")
    assert client.delete(f"/api/v1/imports/res-{stored.pk}", headers=bearer).status_code == 200
    assert not Result.objects.exists()


def test_viewers_do_not_import(client):
    client.force_login(make_user("eve", role="viewer"))

    assert client.get(IMPORT).status_code == 403
    assert "Import" not in client.get("/results/").content.decode().partition("<main")[2]


DECLARED = {
    "device": "2 × 8 H800",
    "precision": "fp8",
    "engine": "vLLM 0.7.2",
    "tp": "16",
    "workload": "random 1024 → 128 tok",
}


def test_what_is_declared_at_an_import_is_shown_with_its_person(client, ann):
    vague = upload(client, SERVE, device="2机8卡 H800")
    assert "number not understood: enter it" in client.get(vague.url).content.decode()

    answer = upload(client, SERVE, **DECLARED)
    client.post(answer.url, {"do": "import"})

    result = Result.objects.get()
    page = client.get(f"/results/res-{result.pk}/").content.decode()
    assert "Declared by ann" in page
    for value in ("2 × 8 H800", "fp8", "vLLM 0.7.2", "random 1024 → 128 tok"):
        assert value in page
    assert result.run_context["device"]["count"] == 16
    assert result.fingerprint


def test_what_is_declared_is_shown_without_other_results(django_assert_num_queries):
    row = imported(device="8 × H800", tp=8).imported
    assert row.result

    with django_assert_num_queries(0):
        shown = dict(declared_rows(row))

    assert shown == {"Device": "8 × H800", "Devices": "8", "Tensor parallel size (TP)": "8"}


def test_a_member_corrects_what_another_declared(client, ann):
    result = imported(device="8 × H800")
    address = f"/results/res-{result.pk}/declare/"
    assert 'value="8 × H800"' in client.get(address).content.decode()

    wrong = client.post(address, DECLARED | {"devices": "8"})
    assert wrong.status_code == 422
    page = wrong.content.decode()
    assert "The device says 16" in page
    assert 'value="vLLM 0.7.2"' in page
    assert page.count('aria-invalid="true"') == 1

    assert client.post(address, DECLARED).url == f"/results/res-{result.pk}/"
    row = Import.objects.get()
    assert (row.devices, row.tp, row.declared_by) == (16, 16, ann)
    entry = AuditEntry.objects.get(action="result.declare")
    assert entry.detail["device"] == "8 × H800 → 2 × 8 H800"


def test_a_verdict_with_an_import_is_marked_as_declared(client, ann):
    theirs = imported(DATED, user=ann, **DECLARED | {"tp": 16})
    points = [(4, {"output_tokens_per_s": 900.0})]
    ours = make_measured(points=points, what=DECLARED["workload"], tool="vLLM 0.7.2 bench serve")

    page = client.get(f"/results/compare/?id=res-{theirs.pk}&id=res-{ours.pk}").content.decode()

    assert "As declared" in page
    assert "not judged" not in page.casefold()
    assert ", as declared" in page


def test_the_column_says_which_date_it_shows(client, ann):
    imported(DATED)
    undated = imported(UNDATED)

    for address in ("/results/", "/results/?group=identity"):
        page = client.get(address).content.decode()
        assert re.search(r"<th[^>]*>(?:<a[^>]*>)?\s*Measured", page)
        assert page.count('title="The files have no usable date.">imported<') == 1
    assert "2026-11-24" in page
    row = client.get("/results/?format=json").json()["results"][0]
    assert (row["result"], row["measured_at"]) == (f"res-{undated.pk}", "")
    assert row["at"] == undated.imported.created_at.isoformat()


def test_the_api_says_when_an_import_was_measured_and_who_declared_it(client, ann, bearer):
    theirs = imported(DATED, user=ann, device="8 × H800", precision="fp8")
    ours, undated = make_measured(), imported(UNDATED)
    assert theirs.created_at < theirs.stored_at

    rows = client.get("/api/v1/results", headers=bearer).json()["results"]

    found = {row["id"]: row for row in rows}
    row, own = found[f"res-{theirs.pk}"], found[f"res-{ours.pk}"]
    assert row["measured_at"].startswith("2026-11-24")
    assert row["created_at"] == theirs.imported.created_at.isoformat()
    assert rows[-1] == row
    assert (row["declared"]["precision"], row["declared"]["by"]) == ("fp8", "ann")
    assert row["declared"]["at"] == theirs.imported.declared_at.isoformat()
    alone = client.get(f"/api/v1/results/{row['id']}", headers=bearer).json()
    assert (alone["measured_at"], alone["declared"]) == (row["measured_at"], row["declared"])
    assert (own["measured_at"], own["declared"]) == (own["created_at"], None)
    assert found[f"res-{undated.pk}"]["declared"] is None


def test_the_command_s_preview_has_the_date_of_the_file_and_who_declared_it():
    file = str(DATA / DATED)
    assert "\n  measured: 2026-11-24 14:11:14" in run(file, "--dry-run")

    imported(DATED, user=make_user("cleo"), device="8 × H800", precision="fp8")

    text = run(file, "--dry-run")
    assert "Precision: fp8" in text
    assert "declared by cleo on" in text
