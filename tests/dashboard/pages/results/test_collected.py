"""Import of files that a job collected on a host: pages, command and API."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from jobs.imports import read_paths
from jobs.models import AuditEntry, Import, OutputFile, Result
from jobs.services.outputs import output_path
from jobs.tools.lib.folders import ARCHIVE
from tests.factories import make_job, make_user
from tests.jobs.lib.collecting import FOLDER, HOST, make_collected
from tests.jobs.lib.importing import DATA, EVALUATION, SERVE, imported

RATE = 67.41737017939066
FILES = {"runs/serve.json": (DATA / SERVE).read_bytes(), "runs/note.txt": b"H800"}


@pytest.fixture
def job(db):
    return make_collected(FILES)


def test_the_job_leads_to_the_import_whose_form_names_what_was_left_out(client, ann, job):
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    form = client.get(f"/results/import/?job={job.pk}").content.decode()

    assert f'href="/results/import/?job={job.pk}"' in page
    assert "Import these files" in page
    for text in (HOST, FOLDER, f"#{job.pk}", "Left out: 2", f'name="job" value="{job.pk}"'):
        assert text in form
    assert 'type="file"' not in form
    assert 'href="/launch/collect-results/"' in client.get("/results/import/").content.decode()


@pytest.mark.parametrize(
    "fields",
    [{"state": "failed"}, {"removed_at": now()}, {"kind": "prepare"}, {"state": "running"}],
)
def test_a_job_without_files_does_not(client, ann, fields):
    job = make_collected(FILES, **fields)

    assert "Import these files" not in client.get(f"/jobs/{job.pk}/").content.decode()


def test_viewers_are_offered_no_import(client, job):
    client.force_login(make_user("eve", role="viewer"))

    assert "Import these files" not in client.get(f"/jobs/{job.pk}/").content.decode()
    assert client.get(f"/results/import/?job={job.pk}").status_code == 403
    assert client.post("/results/import/", {"job": job.pk}).status_code == 403


def test_collected_files_are_imported_like_an_upload(client, ann, job):
    answer = client.post("/results/import/", {"job": job.pk, "device": "8 × H800"})
    preview = client.get(answer.url).content.decode()
    assert not Import.objects.exists()
    client.post(answer.url, {"do": "import"})

    for text in ("vLLM bench serve", "8 × H800", FOLDER, HOST, f"/jobs/{job.pk}/", "note.txt"):
        assert text in preview
    result = Result.objects.get()
    upload = imported()  # the same file: nothing new
    assert upload == result
    assert result.metrics["output_tokens_per_s"] == RATE
    assert result.run_context["collected"] == {"job": job.pk, "host": HOST, "folder": FOLDER}
    assert result.imported.files.get().path == "runs/serve.json"
    page = client.get(f"/results/res-{result.pk}/").content.decode()
    assert all(text in page for text in (FOLDER, HOST, f'href="/jobs/{job.pk}/"'))
    detail = AuditEntry.objects.get(action="result.import").detail
    assert (detail["host"], detail["folder"], detail["job"]) == (HOST, FOLDER, f"#{job.pk}")
    client.force_login(make_user("root", is_staff=True))
    assert FOLDER in client.get("/audit/").content.decode()


def test_several_results_in_one_folder_are_rows_of_their_own(client, ann):
    whole = read_paths([DATA / EVALUATION, DATA / "guidellm-0.8"], limit_bytes=10**9)
    failed = (DATA / "vllm-0.32/bench/serve_fail.json").read_bytes()
    job = make_collected({**whole, "failed.json": failed})

    answer = client.post("/results/import/", {"job": job.pk})
    page = client.get(answer.url).content.decode()
    client.post(answer.url, {"do": "import"})

    assert "no request succeeded" in page
    assert set(Result.objects.values_list("imported__tool", flat=True)) == {
        "OpenCompass",
        "guidellm",
    }


def test_a_folder_without_a_result_gives_the_reason(client, ann):
    job = make_collected({"a/note.txt": b"nothing"})

    answer = client.post("/results/import/", {"job": job.pk})

    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Not recognised" in page
    assert FOLDER in page


def test_files_that_are_gone_are_refused_in_words(client, ann):
    removed = make_collected(FILES, removed_at=now())
    host = removed.host
    jobs = [removed, make_collected(None, host=host), make_collected(FILES, host=host)]
    output_path(jobs[2].pk, ARCHIVE).unlink()
    jobs.append(make_job(host=host, kind="prepare", state="succeeded"))
    jobs.append(make_collected(FILES, host=host, state="running"))

    texts = [client.post("/results/import/", {"job": one.pk}).content.decode() for one in jobs]

    assert all("were removed. Collect them again." in text for text in texts[:3])
    assert "This job collects no files" in texts[3]
    assert "it has not succeeded" in texts[4]


@pytest.mark.parametrize("number", ["0", "999999", "x", "9" * 30, "-1"])
def test_a_job_that_is_none_is_refused(client, ann, number):
    for answer in (
        client.get(f"/results/import/?job={number}"),
        client.post("/results/import/", {"job": number}),
    ):
        assert answer.status_code == 422
        assert "This job collects no files" in answer.content.decode()


def test_a_hostile_archive_is_refused_by_the_import(client, ann, settings):
    job = make_collected({"../x.json": FILES["runs/serve.json"]})
    text = client.post("/results/import/", {"job": job.pk}).content.decode()
    settings.IMPORT_LIMIT_BYTES = 100
    OutputFile.objects.update(bytes=10**12, received_bytes=10**12)
    large = client.post("/results/import/", {"job": job.pk}).content.decode()

    assert "leads outside of the archive" in text
    assert "IMPORT_LIMIT" in large


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("import", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_imports_what_a_job_collected(job):
    make_user("root", is_staff=True)

    shown = json.loads(run("--job", str(job.pk), "--dry-run", "--json"))
    text = run("--job", str(job.pk), "--device", "8 × H800")

    assert shown["results"][0]["tool"] == "vLLM bench serve"
    assert "imported: res-" in text
    assert Result.objects.get().run_context["collected"]["job"] == job.pk
    with pytest.raises(CommandError, match="Name files, or a job"):
        run("--job", str(job.pk), str(DATA / SERVE))
    with pytest.raises(CommandError, match="Name files, or a job"):
        run()
    with pytest.raises(CommandError, match="job: This job collects no files"):
        run("--job", "0")


def test_the_api_imports_what_a_job_collected(client, job, bearer):
    def send(query: str, body: bytes = b""):
        kind, address = "application/octet-stream", f"/api/v1/imports?{query}"
        return client.post(address, body, content_type=kind, headers=bearer)

    both, answer, none = send(f"job={job.pk}", b"{}"), send(f"job={job.pk}"), send("job=0")

    (one,) = answer.json()["results"]
    row = client.get(f"/api/v1/results/{one['result']}", headers=bearer).json()
    assert row["collected"] == {"job": job.pk, "host": HOST, "folder": FOLDER}
    for refused in (both, none):
        assert (refused.status_code, "job" in refused.json()["fields"]) == (422, True)
