"""Known failures and their positions in logs."""

import pytest

from jobs.catalog.known_failures import KNOWN_FAILURES, KnownFailure, load_failures
from jobs.tools.outputs import failure_scan
from jobs.tools.outputs.failure_scan import LONGEST_TEXT, FailureScan
from tests.jobs.lib.target import DATA

OLD, NEW = DATA / "vllm-0.7.2", DATA / "vllm-0.32"
OPENCOMPASS = DATA / "opencompass-0.5.4-failed"
EXAMPLES = [(each.id, line) for each in KNOWN_FAILURES.values() for line in each.examples]


def known_failures(log, **about):
    """Return the known failures in a whole log, most likely cause first."""
    scan = FailureScan(**about)
    scan.feed(log)
    return scan.end()


def kind_of(failure):
    return failure.kinds[0] if failure.kinds else None


def failures_in(path, **about):
    """Return the failures in a captured log, most likely first: ids and lines."""
    return [
        (each.failure.id, each.first.number, each.last.number)
        for each in known_failures(path.read_bytes(), **about)
    ]


def test_there_are_many_and_each_level_and_severity_is_used():
    failures = KNOWN_FAILURES.values()

    assert len(failures) >= 60
    assert {each.severity for each in failures} == {"error", "transient", "warning"}
    assert {each.level for each in failures} == {"cause", "general", "symptom"}


@pytest.mark.parametrize(("failure_id", "line"), EXAMPLES)
def test_a_line_as_a_tool_prints_it_is_known_for_what_it_is(failure_id, line):
    log = f"before\n\x1b[31m{line}\x1b[0m\nafter\n".encode()

    first = known_failures(log, kind=kind_of(KNOWN_FAILURES[failure_id]))[0]

    assert (first.failure.id, first.last.number) == (failure_id, 2)


ONLINE, OF_OPENCOMPASS = "benchmark-online", "evaluate-opencompass"
LLAMA_CPP, DRY = DATA / "llama.cpp", DATA / "opencompass-0.4.1" / "console"
INFER = next(OPENCOMPASS.rglob("logs/infer/*/*.out"))
SCORED = next(OPENCOMPASS.rglob("logs/eval/*/basic_mcq.out"))


@pytest.mark.parametrize(
    ("path", "kind", "wanted"),
    [
        (OLD / "benchmark_serving_as_in_the_guide_fails.txt", ONLINE, ("wrong-backend", 21, 21)),
        (OLD / "benchmark_serving_no_result_dir.txt", ONLINE, ("result-folder-missing", 36, 36)),
        (OLD / "benchmark_serving_server_down.txt", ONLINE, ("connection-refused", 66, 66)),
        (NEW / "bench/serve_fail_conn.stdout", "benchmark", ("connection-refused", 57, 104)),
        (NEW / "bench/serve_fail_model.stdout", "benchmark", ("requests-not-found", 12, 13)),
        (NEW / "bench/serve_fail_model.stderr", "benchmark", ("all-requests-failed", 3, 3)),
        (NEW / "bench/serve_sonnet.stderr", "benchmark", ("sonnet-gone", 3, 3)),
        (
            NEW / "bench/throughput_assert_crash.stderr",
            *("benchmark-throughput", ("lengths-above-server", 32, 32)),
        ),
        (
            NEW / "vllm_serve_no_think_tokens_crash.log",
            *("deploy-vllm", ("think-tokens-missing", 63, 63)),
        ),
        (LLAMA_CPP / "xllamacpp_missing_model.log", "deploy", ("model-file-missing", 9, 13)),
        (OPENCOMPASS / "stdout.txt", OF_OPENCOMPASS, ("opencompass-task-failed", 7, 17)),
        (INFER, OF_OPENCOMPASS, ("tokenizer-unreadable", 2, 104)),
        (SCORED, OF_OPENCOMPASS, ("opencompass-no-predictions", 12, 12)),
        (DRY / "dry_missing.txt", OF_OPENCOMPASS, ("dataset-missing", 3, 3)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_really_broke_is_found_with_its_lines(path, kind, wanted):
    assert failures_in(path, kind=kind)[0] == wanted


@pytest.mark.parametrize(
    "path",
    [
        OLD / "benchmark_serving_ok.txt",
        NEW / "vllm_serve.log",
        *(NEW / "bench" / f"{name}.stdout" for name in ("serve_random_chat", "latency")),
        NEW / "bench" / "throughput.stdout",
        DATA / "opencompass-0.4.1" / "console" / "run.txt",
        DATA / "opencompass-0.5.4" / "stdout.txt",
        DATA / "pip" / "install.log",
        DATA / "llama.cpp" / "quantise.log",
        DATA / "evalscope-1.14-perf" / "logs" / "levels.log",
        DATA / "evalscope-1.14-eval" / "logs" / "limit16.log",
    ],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_in_the_log_of_a_run_that_succeeded_nothing_is_found(path):
    assert failures_in(path) == []


def test_a_line_is_named_by_its_number_and_where_it_begins():
    log = (OLD / "benchmark_serving_server_down.txt").read_bytes()

    (sighting, *_) = known_failures(log)

    assert log[sighting.first.offset :].startswith(b"aiohttp.client_exceptions.ClientConnectorErr")
    assert log[: sighting.first.offset].count(b"\n") + 1 == sighting.first.number
    assert sighting.args == {"address": "localhost:9"}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_however_a_log_is_cut_the_same_is_found(size):
    log = (NEW / "bench" / "serve_fail_conn.stdout").read_bytes()
    scan = FailureScan()
    for at in range(0, len(log), size):
        scan.feed(log[at : at + size])

    assert scan.end() == known_failures(log)


def test_a_redrawn_bar_and_colours_hide_nothing():
    log = b"\r  0%|  |\r 50%|x |\x1b[31mError! IOMMU\x1b[0m is enable, please close\n"

    (sighting,) = known_failures(log)

    assert (sighting.failure.id, sighting.first.number, sighting.first.offset) == ("iommu-on", 1, 0)


def test_a_line_without_an_end_counts():
    assert known_failures(b"OSError: [Errno 28] No space left on device")[0].failure.id == (
        "disk-full"
    )


def test_a_piece_from_the_middle_of_a_log_keeps_its_place():
    scan = FailureScan(number=1001, offset=50_000)
    scan.feed(b"x\nError! IOMMU is enable\n")

    (sighting,) = scan.end()

    assert (sighting.first.number, sighting.first.offset) == (1002, 50_002)


def test_of_a_line_that_goes_on_and_on_only_the_begin_is_kept():
    line = b"Error! IOMMU is enable " + b"x" * 10_000

    (sighting,) = known_failures(line)

    assert len(sighting.first.text) == LONGEST_TEXT


def ids(*lines, **about):
    return [each.failure.id for each in known_failures("\n".join(lines).encode(), **about)]


def test_a_cause_comes_before_what_follows_from_it():
    assert ids(
        "ValueError: No available memory for the cache blocks. Try increasing",
        "RuntimeError: Engine process failed to start. See stack trace for the root cause.",
    ) == ["no-cache-memory", "engine-failed"]


def test_of_two_causes_the_last_one_ended_it():
    lines = ("Error! IOMMU is enable", "OSError: [Errno 28] No space left on device")

    assert ids(*lines)[0] == "disk-full"
    assert ids(*reversed(lines))[0] == "iommu-on"


def test_the_exact_option_comes_before_any_option():
    line = "vllm: error: unrecognized arguments: --enable-reasoning"

    assert ids(line) == ["enable-reasoning-gone", "option-unknown"]


def test_a_printed_server_setting_is_no_failure():
    assert ids("args: Namespace(model='/w/R1', trust_remote_code=True, tp=32)") == []


def test_a_warning_comes_last():
    assert ids("max_out_len was truncated from 9 to 8", "getaddrinfo failed")[-1] == "answers-cut"


def test_what_belongs_to_another_kind_of_job_is_ruled_out():
    line = "FileNotFoundError: [Errno 2] No such file or directory: 'nodir/r.json'"

    assert ids(line, kind="benchmark-online") == ["result-folder-missing"]
    assert ids(line, kind="benchmark") == ["result-folder-missing"]
    assert ids(line, kind="evaluate-opencompass") == []
    assert ids(line) == ["result-folder-missing"]


def test_what_belongs_to_another_tool_is_ruled_out():
    line = "AttributeError: module 'pyarrow' has no attribute 'PyExtensionType'"

    assert ids(line, tools={"python", "opencompass"}) == ["opencompass-packages"]
    assert ids(line, tools={"evalscope"}) == []
    assert ids(line) == ["opencompass-packages"]


def test_the_exit_code_alone_may_name_a_failure():
    (sighting,) = known_failures(b"nothing\n", exit_code=-9)

    assert (sighting.failure.id, sighting.first, sighting.count) == ("killed", None, 0)
    assert ids("nothing", exit_code=-11, kind="compile-vacc") == ["stack-too-small", "crashed"]
    assert ids("nothing", exit_code=-11, kind="deploy-vllm") == ["crashed"]
    assert ids("nothing", exit_code=1) == []
    assert ids("nothing") == []


def test_a_line_says_more_than_the_exit_code():
    line = "Worker VllmWorkerProcess pid 4400 died, exit code: -9"

    assert ids(line, exit_code=-9) == ["out-of-memory", "worker-died", "killed"]


def test_a_warning_that_quotes_an_error_is_none():
    """Real: vLLM warns of the limit of open files with the words of the error."""
    assert b"OSError: [Errno 24] Too many open files" in (NEW / "vllm_serve.log").read_bytes()

    assert ids("OSError: [Errno 24] Too many open files") == ["too-many-files"]


ENTRY = {
    "id": "x",
    "severity": "error",
    "cause": "It broke at %(place)s.",
    "advice": "Fix it, please.",
    "signatures": [{"text": "broke at", "pattern": r"broke at (?P<place>\S+)"}],
    "examples": ["it broke at home"],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"severity": "fatal"},
        {"level": "root"},
        {"id": "Not An Id"},
        {"colour": "red"},
        {"cause": "short"},
        {"signatures": []},
        {"signatures": ["abc"]},
        {"signatures": [{"text": "broke at", "pattern": "("}]},
        {"signatures": ["broke at"]},  # fills no place
        {"examples": []},
        {"examples": ["all is well"]},
        {"advice": "It is 100 % your fault."},
        {"cause": "It broke at %(place)d."},
    ],
)
def test_an_entry_that_says_something_else_is_refused(changes):
    KnownFailure.model_validate(ENTRY)

    with pytest.raises(ValueError):
        KnownFailure.model_validate(ENTRY | changes)


def test_an_id_is_there_once(tmp_path):
    entry = "- {id: x, severity: error, cause: It broke badly., advice: Fix it now., "
    entry += "exit_codes: [1]}\n"
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(entry)

    with pytest.raises(ValueError, match="second time"):
        load_failures(tmp_path)


def test_a_new_entry_is_one_in_a_file(tmp_path, monkeypatch):
    (tmp_path / "own.yaml").write_text(
        "- id: coffee\n  severity: transient\n  cause: The machine is empty.\n"
        "  advice: Fill it with beans.\n  signatures: [no more coffee]\n"
        "  examples: [there is no more coffee]\n"
    )

    monkeypatch.setattr(failure_scan, "KNOWN_FAILURES", load_failures(tmp_path))

    assert [each.failure.id for each in known_failures(b"no more coffee\n")] == ["coffee"]
