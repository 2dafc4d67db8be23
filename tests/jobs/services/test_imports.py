"""Storage of imported results."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.errors import LaunchError
from jobs.models import Import, ImportedFile, Result, SignOff
from jobs.queries.comparison.comparison import compare
from jobs.queries.models import model_page
from jobs.queries.results import result_counts
from jobs.queries.results.published import published_comparisons
from jobs.queries.results.repeats import disturbers, repeats_of
from jobs.queries.results.results import Filters, matching, result_list, result_page
from jobs.queries.storage import count
from jobs.services import import_drafts, imports
from jobs.services.imports import About, device_of, model_of
from tests.factories import make_host, make_job, make_measured, make_user
from tests.jobs.lib.importing import DATA, EVALUATION, SERVE, imported, keep

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def test_a_result_has_the_figures_and_points_of_its_file():
    user = make_user("ann")

    result = imported(device="8 × H800", user=user)

    assert (result.job, result.host, result.deployment, result.created_by) == (
        None,
        None,
        None,
        user,
    )
    assert (result.tool, result.what, result.model_id) == (
        *("vLLM bench serve", "12 requests"),
        "smollm2",
    )
    assert result.metrics["output_tokens_per_s"] == 67.41737017939066
    assert result.metrics["requests"] == 12
    assert [(point.concurrency, point.metrics["ttft_p50_ms"]) for point in result.points.all()] == [
        (4, 635.8023220000177)
    ]
    assert result.run_context["device"] == {"text": "8 × H800", "count": 8}


def test_questions_of_an_evaluation_are_stored():
    result = imported(EVALUATION)

    assert (result.type, result.answers.count()) == ("evaluation", 40)
    assert result.answers.filter(score=1).count() == 6
    assert len(result.run_context["sets"]) == 2


def test_the_original_files_are_kept_unchanged():
    result = imported(EVALUATION)

    for file in ImportedFile.objects.filter(imported=result.imported):
        content = imports.file_path(file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert content == (DATA / file.path).read_bytes()
    assert result.imported.bytes == sum(file.bytes for file in result.imported.files.all())


def test_the_same_file_twice_changes_nothing():
    first = imported(device="8 × H800")

    (again,) = keep(SERVE, device="4 × A100")

    assert (again.row, again.is_new) == (first.imported, False)
    assert Import.objects.count() == Result.objects.count() == 1
    first.refresh_from_db()
    assert first.run_context["device"]["text"] == "8 × H800"


def test_a_summary_of_an_imported_folder_is_known():
    folder = imported(EVALUATION)

    (again,) = keep("opencompass-0.5.4/workdir/20261124_142027/summary/summary_20261124_142027.csv")

    assert (again.row, again.is_new) == (folder.imported, False)


def test_models_in_one_table_are_results_of_their_own(tmp_path):
    table = tmp_path / "table.md"
    table.write_text(
        "| dataset | version | metric | mode | ours | h800 |\n|--|--|--|--|--|--|\n"
        "| math-500 | 11c4b5 | accuracy | gen | 90.00 | 91.00 |\n"
    )

    stored = keep(str(table))

    assert [(one.row.part, one.row.result.metrics["accuracy_macro"]) for one in stored] == [
        ("ours", 0.9),
        ("h800", 0.91),
    ]
    assert [one.is_new for one in keep(str(table))] == [False, False]


def test_a_result_belongs_to_a_job_or_to_an_import():
    result = imported()

    with pytest.raises(IntegrityError), transaction.atomic():
        Result.objects.filter(pk=result.pk).update(host=make_host(), job=make_job())
    with pytest.raises(IntegrityError), transaction.atomic():
        Result.objects.filter(pk=result.pk).update(imported=None)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8 × H800", 8),
        ("8x H800", 8),
        ("H800 * 16", 16),
        ("H800", None),
        ("", None),
        ("0 × H", None),
    ],
)
def test_a_device_has_its_count(text, number):
    assert device_of(text) == {"text": text, "count": number}


def test_a_model_of_the_catalogue_is_found_by_name():
    assert model_of("deepseek-r1") == "deepseek-r1"
    assert model_of("DeepSeek-R1") == "deepseek-r1"
    assert model_of("my/own") == "my/own"


@pytest.mark.parametrize("field", ["device", "model"])
def test_a_field_of_two_lines_is_refused(field):
    with pytest.raises(LaunchError) as raised:
        keep(SERVE, **{field: "x" * 101})

    assert raised.value.field == field
    assert not Import.objects.exists()


def test_removal_takes_the_result_and_its_files():
    result = imported()
    folder = imports.files_folder(result.imported_id)
    assert folder.is_dir()

    imports.remove(result.imported)

    assert not Result.objects.exists()
    assert not ImportedFile.objects.exists()
    assert not folder.exists()
    (again,) = keep(SERVE)
    assert again.is_new


def test_a_released_import_is_not_removed():
    result = imported()
    sign_off = SignOff.objects.create(result=result, purpose="customer A")

    with pytest.raises(imports.Released):
        imports.remove(result.imported)

    assert imports.files_folder(result.imported_id).is_dir()
    sign_off.withdrawn_at = timezone.now()
    sign_off.save()
    imports.remove(result.imported)
    assert not Result.objects.exists()


def test_a_failed_write_leaves_no_record(monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(imports, "_write", full)
    with pytest.raises(LaunchError, match="Not stored: No space left on device"):
        imported()

    assert not Import.objects.exists()


def test_an_import_is_no_repeat():
    first, second = imported(), imported("aiperf-0.13")

    assert (first.fingerprint, second.fingerprint) == ("", "")
    assert "workload.workload" in first.identity["unknown"]
    assert not repeats_of(first).exists()
    assert disturbers([first]) == {}


def test_an_import_counts_as_no_result_of_ours():
    imported(model="deepseek-r1")
    imported(EVALUATION, model="deepseek-r1")

    page = model_page("deepseek-r1")
    assert (page.row.speed, page.row.answers) == (None, None)
    assert len(page.results) == 2
    model = page.row.model
    assert {one.latest for one in published_comparisons(model)} == {None}


def test_an_import_is_found_by_flag_number_and_device():
    mine, result = (
        make_measured(points=[(4, {"output_tokens_per_s": 50.0})]),
        imported(device="H800"),
    )

    assert list(matching(Filters(stamps=["imported"]))) == [result]
    assert list(matching(Filters(text="h800"))) == [result]
    assert result in matching(Filters(text=f"res-{result.pk}"))
    assert set(result_list(Filters()).results) == {mine, result}
    assert result_counts.by(result_counts.count_all(), "imported")[True] == 1
    assert result_page(result.pk).outputs == []


def test_compared_with_ours_the_workload_is_unknown():
    mine = make_measured(points=[(4, {"output_tokens_per_s": 50.0})])
    theirs = imported(device="8 × H800")

    comparison = compare([[mine], [theirs]])

    row = next(row for row in comparison.rows if row.metric == "output_tokens_per_s")
    assert (row.cells[1].value, row.changes[0].verdict) == (67.41737017939066, "not_comparable")
    assert comparison.barred == frozenset({1})
    assert [one.name for one in comparison.barriers if one.is_unknown] == ["workload"]
    devices = next(one for one in comparison.settings if one.name == "device")
    assert list(devices.values) == ["", "8 × H800"]


def test_files_of_imports_are_counted_in_storage():
    result = imported()

    assert count(timezone.now(), aside=0).imports == result.imported.bytes > 0


def test_a_partial_run_is_incomplete(tmp_path):
    table = tmp_path / "summary.csv"
    table.write_text(
        "dataset,version,metric,mode,m\nmath-500,1,accuracy,gen,90.00\ngsm8k,-,-,-,-\n"
    )

    result = imported(str(table))

    assert result.incomplete
    assert "import:sets_missing" in {remark["id"] for remark in result.remarks}


def test_a_draft_is_of_its_owner_only():
    ann, ben = make_user("ann"), make_user("ben")
    number = import_drafts.save(ann.pk, {"a/b.json": b"1"}, About("8 × H800", "m"))

    draft = import_drafts.load(ann.pk, number)

    assert (draft.files, draft.about) == ({"a/b.json": b"1"}, About("8 × H800", "m"))
    assert import_drafts.load(ben.pk, number) is None
    assert import_drafts.load(ann.pk, "../../etc") is None
    import_drafts.remove(draft)
    assert import_drafts.load(ann.pk, number) is None


def test_only_the_newest_drafts_of_a_person_stay(settings):
    ann = make_user("ann")
    numbers = [
        import_drafts.save(ann.pk, {"a": b"1"}, About()) for _ in range(import_drafts.MOST + 3)
    ]

    assert len(list(Path(settings.DATA_DIR, "import-drafts").iterdir())) == import_drafts.MOST
    assert import_drafts.load(ann.pk, numbers[-1]) is not None
