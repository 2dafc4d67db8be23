"""Storage of imported results."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.utils import timezone

from dashboard.actions import results
from jobs.base.errors import LaunchError
from jobs.imports import recognise
from jobs.models import Import, ImportedFile, PointRequests, Result, SignOff
from jobs.queries.catalogue import model_page, published_comparisons
from jobs.queries.comparison.comparison import compare
from jobs.queries.comparison.history import history
from jobs.queries.results import listing
from jobs.queries.results.curve import curve_of
from jobs.queries.results.levels import Level, goodput_of
from jobs.queries.results.listing import ResultFilters, Words, identity_list, matching, result_list
from jobs.queries.results.repeats import disturbers, repeats_of
from jobs.queries.results.results import result_page
from jobs.queries.storage import count
from jobs.services import import_storage, imports
from jobs.services.imports import About, model_of
from tests.factories import make_host, make_job, make_measured, make_user
from tests.jobs.lib.importing import DATA, EVALUATION, SERVE, UNDATED, imported, keep
from tests.refusals import refused_at

pytestmark = pytest.mark.django_db


def test_a_result_has_the_figures_and_points_of_its_file():
    user = make_user("ann")

    result = imported(device="8 × H800", user=user)

    assert (result.job, result.host, result.deployment) == (None, None, None)
    assert result.created_by == user
    named = ("vLLM bench serve", "12 requests", "smollm2")
    assert (result.tool, result.what, result.model_id) == named
    assert result.metrics["output_tokens_per_s"] == 67.41737017939066
    assert result.metrics["requests"] == 12
    (point,) = result.points.all()
    assert (point.concurrency, point.metrics["ttft_p50_ms"]) == (4, 635.8023220000177)
    assert result.run_context["device"] == {"text": "8 × H800", "count": 8}


def test_questions_and_original_files_of_an_evaluation_are_stored():
    result = imported(EVALUATION)

    assert (result.type, result.answers.count()) == ("evaluation", 40)
    assert result.answers.filter(score=1).count() == 6
    assert len(result.run_context["sets"]) == 2
    files = ImportedFile.objects.filter(imported=result.imported)
    for file in files:
        content = imports.file_path(file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert content == (DATA / file.path).read_bytes()
    assert result.imported.bytes == sum(file.bytes for file in files) > 0


@pytest.mark.postgresql
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


@pytest.mark.postgresql
def test_a_result_belongs_to_a_job_or_to_an_import():
    result = imported()

    with pytest.raises(IntegrityError), transaction.atomic():
        Result.objects.filter(pk=result.pk).update(host=make_host(), job=make_job())
    with pytest.raises(IntegrityError), transaction.atomic():
        Result.objects.filter(pk=result.pk).update(imported=None)


# "8 × 4090" does not say of what, "2机8卡 H800" are 8 or 16.
DEVICES = {
    8: "8 × H800|8x H800|8卡 H800|H800 8卡|RTX 4090 x 8|8 × MI300X|8 MI300X|8x MI300X|MI300X × 8|"
    "MI300X x8|8卡 MI250X|MI250X 8卡|8 × MI300X 192GB|8 × H800 (SXM)",
    16: "H800 * 16|2 × 8 H800|2台×8卡 H800|16 H800|2 × 8 MI300X",
    None: "MI300X|8 H800 + 8 H20|8 H800, 8 H20|8卡H800和8卡H20|8 × 4090|RTX 4090|2机8卡 H800|H800|"
    "|0 × H",
}


@pytest.mark.parametrize(
    ("text", "number"), [(one, n) for n, texts in DEVICES.items() for one in texts.split("|")]
)
def test_a_device_has_its_count(text, number):
    assert imports.device_count(text) == number


def test_two_numbers_of_devices_that_differ_are_refused():
    with refused_at("devices", "The device says 16"):
        keep(SERVE, device="2 × 8 H800", devices=8)

    assert imported(device="2机8卡 H800", devices=16).run_context["device"]["count"] == 16


@pytest.mark.parametrize("text", ["none", "0", "-1", "1.5", "9" * 30])
def test_a_size_that_is_no_count_is_refused(text):
    with refused_at("tp"):
        imports.about_of({"tp": text})


def test_a_model_of_the_catalogue_is_found_by_name():
    found = [model_of(name) for name in ("deepseek-r1", "DeepSeek-R1", "my/own")]

    assert found == ["deepseek-r1", "deepseek-r1", "my/own"]


@pytest.mark.parametrize("field", ["device", "model"])
def test_a_field_of_two_lines_is_refused(field):
    with refused_at(field):
        keep(SERVE, **{field: "x" * 101})

    assert not Import.objects.exists()


def test_removal_takes_the_result_and_its_files_unless_it_is_released():
    result = imported()
    folder = imports.files_folder(result.imported_id)
    sign_off = SignOff.objects.create(result=result, purpose="customer A")
    with pytest.raises(imports.Released):
        imports.remove(result.imported)
    assert folder.is_dir()
    sign_off.withdrawn_at = timezone.now()
    sign_off.save()

    imports.remove(result.imported)

    assert not Result.objects.exists()
    assert not ImportedFile.objects.exists()
    assert not folder.exists()
    (again,) = keep(SERVE)
    assert again.is_new


def test_a_failed_write_leaves_no_record(monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(import_storage, "_write", full)
    with pytest.raises(LaunchError, match="Not stored: No space left on device"):
        imported()

    assert not Import.objects.exists()


def test_an_undeclared_import_is_no_repeat():
    first, second = imported(), imported("aiperf-0.13")

    assert (first.fingerprint, second.fingerprint) == ("", "")
    assert "workload.workload" in first.identity["unknown"]
    assert not repeats_of(first).exists()
    assert disturbers([first]) == {}


OK = "vllm-0.7.2/benchmark_serving_ok.json"
DECLARED = {
    "device": "2 × 8 H800",
    "precision": "fp8",
    "engine": "vLLM 0.7.2",
    "tp": 16,
    "workload": "random 1024 -> 128 tok",
}


def three_of_theirs(tmp_path: Path, **declared: object) -> list[Result]:
    """Three runs of one script; the last file is of its successor, a command."""
    found = []
    for number in (1, 2, 3):
        data = json.loads((DATA / OK).read_text())
        for key in ("duration", "output_throughput", "total_token_throughput"):
            data[key] *= 1 + number / 1000
        data["output_throughput"] = data["total_output_tokens"] / data["duration"]
        if number == 3:
            data["failed"] = 0
        file = tmp_path / f"run-{number}.json"
        file.write_text(json.dumps(data))
        found.append(imported(str(file), **DECLARED | declared))
    return found


def test_three_imports_with_equal_declarations_are_repeats(tmp_path):
    first, second, third = three_of_theirs(tmp_path)

    assert [one.tool for one in (first, third)] == [
        *("vLLM benchmark_serving.py", "vLLM bench serve"),
    ]
    assert first.fingerprint
    assert set(repeats_of(first)) == {second, third}
    (row,) = identity_list(ResultFilters()).rows
    assert row.mean.runs == 3
    assert (first.label, first.parallelism) == ("fp8", "tp16")
    assert first.subject == third.subject != ""


@pytest.mark.parametrize(
    "other",
    [
        {"device": "8 × H800"},
        {"precision": "bf16"},
        {"engine": "vLLM 0.8"},
        {"tp": 8},
        {"pp": 2},
        {"ep": 8},
        {"workload": "random 1024 → 256 tok"},
        {"model": "deepseek-r1"},
    ],
    ids=str,
)
def test_another_declaration_is_no_repeat(other, tmp_path):
    first, file = imported(OK, **DECLARED), tmp_path / "again.json"
    again = json.loads((DATA / OK).read_text()) | {"date": "20261125-141114"}
    file.write_text(json.dumps(again))

    assert imported(str(file), **DECLARED | other).fingerprint not in ("", first.fingerprint)


def test_theirs_against_ours_of_the_declared_workload_is_judged_as_declared(tmp_path):
    theirs = three_of_theirs(tmp_path)
    metrics = {"input_tokens_mean": 1025.0, "output_tokens_mean": 16.0}
    ours = [
        make_measured(
            points=[(4, {"output_tokens_per_s": speed, **metrics})],
            what="Random 1024 → 128 tok",
            tool="vLLM 0.7.2 bench serve",
        )
        for speed in (900.0, 905.0, 910.0)
    ]

    comparison = compare([theirs, ours])

    assert comparison.barriers == []
    row = next(row for row in comparison.rows if row.metric == "output_tokens_per_s")
    assert row.changes[0].verdict == "better"
    imports.declare(theirs[0].imported, replace(ABOUT, workload="sonnet → 128 tok"), None)
    theirs[0].refresh_from_db()
    assert [one.name for one in compare([[theirs[0]], ours]).barriers] == ["workload"]


ABOUT = About(device="2 × 8 H800", precision="fp8", engine="vLLM 0.7.2", tp=16, workload="x")


def test_a_correction_replaces_what_was_declared():
    ann = make_user("ann")
    result = imported(device="8 × H800")
    read = result.what

    changed = imports.declare(result.imported, ABOUT, ann)

    result = Result.objects.get(pk=result.pk)
    assert changed["devices"] == [8, 16]
    assert (result.label, result.what, result.device) == ("fp8", "x", "2 × 8 H800")
    assert (result.imported.declared_by, result.imported.declared_at is not None) == (ann, True)
    assert result.fingerprint
    assert imports.declare(result.imported, ABOUT, ann) == {}
    imports.declare(result.imported, About(), ann)
    result = Result.objects.get(pk=result.pk)
    assert (result.label, result.what, result.fingerprint) == ("", read, "")


def test_a_baseline_and_a_signed_off_import_keep_what_was_declared():
    result, ann = imported(**DECLARED), make_user("ann")
    results.set_baseline(ann, result)
    with pytest.raises(LaunchError, match="Remove the baseline first"):
        imports.declare(result.imported, About(), None)
    results.remove_baseline(ann, result)
    sign_off = results.sign_off(ann, result, "customer A")

    with pytest.raises(LaunchError, match="Withdraw the sign-off first"):
        imports.declare(result.imported, About(), None)

    assert Result.objects.get(pk=result.pk).label == DECLARED["precision"]
    results.withdraw(ann, sign_off)
    assert imports.declare(result.imported, About(), None)


def test_the_date_of_the_measurement_is_that_of_the_file():
    before = timezone.now()

    result = imported(OK)

    at = timezone.localtime(result.imported.measured_at)
    assert at.strftime("%Y-%m-%d %H:%M:%S") == "2026-11-24 14:11:14"
    assert result.created_at == result.imported.measured_at
    assert result.stored_at == result.imported.created_at >= before


def measured_after(result, days):
    """An own result of the same measurement, so many days later."""
    own = make_measured(created_at=result.created_at + timedelta(days=days))
    Result.objects.filter(pk=own.pk).update(fingerprint=result.fingerprint, subject=result.subject)
    return own


def test_lists_and_trends_have_the_order_of_measurement():
    dated = imported(OK, **DECLARED)
    later, earlier = measured_after(dated, 1), measured_after(dated, -1)

    listed = [row.pk for row in result_list(ResultFilters()).results]
    runs = [run.pk for period in history(dated.pk).periods for run in period.runs]
    since = matching(ResultFilters(since=dated.created_at + timedelta(hours=1)))

    assert listed == [later.pk, dated.pk, earlier.pk]
    assert runs == listed[::-1]
    assert [row.pk for row in since] == [later.pk]
    assert identity_list(ResultFilters()).rows[0].latest == later


def test_a_date_that_is_yet_to_come_is_left_out():
    data = json.loads((DATA / OK).read_text()) | {"date": "20991124-141114"}
    files = {"ok.json": json.dumps(data).encode()}

    (reading,) = recognise(files).readings

    assert reading.at is None
    remark = {one.id: one.args for one in reading.measured.remarks}["import:future"]
    assert remark == {"date": "2099-11-24"}


def test_earlier_imports_take_the_place_of_their_measurement():
    step = import_module("jobs.migrations.0007_measured_order")
    dated, undated, own = imported(OK), imported(UNDATED), make_measured()
    Result.objects.filter(pk=dated.pk).update(created_at=dated.stored_at)
    others = [undated.created_at, own.created_at]

    for change, at in ((step.to_measured, "created_at"), (step.to_imported, "stored_at")):
        change(apps, None)
        assert Result.objects.get(pk=dated.pk).created_at == getattr(dated, at)

    assert [Result.objects.get(pk=one.pk).created_at for one in (undated, own)] == others


def test_single_requests_of_a_file_are_stored():
    result, data = imported(OK), json.loads((DATA / OK).read_text())

    (stored,) = PointRequests.objects.filter(point__result=result)
    assert [row[0] for row in stored.rows] == pytest.approx([1000 * t for t in data["ttfts"]])
    (point,) = curve_of(result_page(result.pk))
    assert point.requests.quantiles["ttft_p50_ms"].low < data["median_ttft_ms"]
    level = Level("chat", {"ttft_p99_ms": 12.0, "tpot_p99_ms": 100.0})
    assert goodput_of(level, point).value == pytest.approx(
        sum(t <= 0.012 for t in data["ttfts"]) / 20
    )


def test_stored_requests_are_read_and_sorted_once():
    result = imported(OK)
    (first,) = curve_of(result_page(result.pk))

    (second,) = curve_of(result_page(result.pk))
    assert second.requests is first.requests

    PointRequests.objects.all().delete()
    (without,) = curve_of(result_page(result.pk))
    assert not without.requests.times


def test_an_import_counts_as_no_result_of_ours():
    imported(model="deepseek-r1")
    imported(EVALUATION, model="deepseek-r1")

    page = model_page("deepseek-r1")
    assert (page.row.speed, page.row.answers) == (None, None)
    assert len(page.results) == 2
    model = page.row.model
    assert {one.latest for one in published_comparisons(model)} == {None}


@pytest.mark.postgresql
def test_an_import_is_found_by_flag_number_and_device():
    mine, result = (
        make_measured(points=[(4, {"output_tokens_per_s": 50.0})]),
        imported(device="H800"),
    )

    assert list(matching(ResultFilters(stamps=["imported"]))) == [result]
    assert list(matching(ResultFilters(words=Words("h800")))) == [result]
    assert result in matching(ResultFilters(words=Words(f"res-{result.pk}")))
    assert set(result_list(ResultFilters()).results) == {mine, result}
    assert listing.by(listing.count_all(), "imported")[True] == 1
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


@pytest.mark.postgresql
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
    number = imports.save_draft(ann.pk, {"a/b.json": b"1"}, About("8 × H800", "m"))

    draft = imports.load_draft(ann.pk, number)

    assert (draft.files, draft.about) == ({"a/b.json": b"1"}, About("8 × H800", "m"))
    assert imports.load_draft(ben.pk, number) is None
    assert imports.load_draft(ann.pk, "../../etc") is None
    imports.remove_draft(draft)
    assert imports.load_draft(ann.pk, number) is None


def test_only_the_newest_drafts_of_a_person_stay(settings):
    ann = make_user("ann")
    numbers = [
        imports.save_draft(ann.pk, {"a": b"1"}, About()) for _ in range(imports.MOST_DRAFTS + 3)
    ]

    assert len(list(Path(settings.DATA_DIR, "import-drafts").iterdir())) == imports.MOST_DRAFTS
    assert imports.load_draft(ann.pk, numbers[-1]) is not None
