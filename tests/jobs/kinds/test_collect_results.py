"""Collect result files: a bounded copy of a folder on a host."""

import os
import socket
import subprocess
import tarfile
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from jobs import imports
from jobs.imports import read_paths, read_uploads, recognise
from jobs.kinds import KINDS
from jobs.readings import read_outcome
from jobs.tools.lib import folders
from jobs.tools.lib.site import script_path
from tests.jobs.lib.importing import DATA, EVALUATION, SERVE
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.scripts import run_script
from tests.jobs.lib.vacc_target import vacc_host

KIND = KINDS["collect-results"]
plans = plans_of(KIND.name)
ROOT = "/data/a {b} host"


def script_module():
    spec = spec_from_file_location("collect_results", script_path("collect_results.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_step_packs_a_folder_of_the_workspace():
    (step,) = plans.run(folder=f"{ROOT}/runs/H800 结果/").steps
    on_cards = plans.planned(vacc_host({"workspace": "/nfs"}), folder="/nfs/runs").steps[0].argv

    assert step.argv == (
        *("/opt/venv/bin/python", "/data/host/spool/17/files/collect_results.py"),
        *(f"{ROOT}/runs/H800 结果", "--inside", ROOT, "--without", f"{ROOT}/environments"),
    )
    assert on_cards[on_cards.index("--inside") + 1] == "/nfs"


# -- the script on made folders -------------------------------------------------------------------


@pytest.fixture
def host(tmp_path):
    """A workspace with a folder of runs, and a working folder."""
    for name in ("space/runs", "space/spool", "work"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def put(host, files):
    for path, content in files.items():
        place = host / "space" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def collected(host, folder="runs", root="space"):
    space = host / "space"
    argv = (space / folder, "--inside", host / root, "--without", space / "spool")
    return run_script("collect_results.py", *argv, cwd=host / "work")


def unpacked(host):
    """Return path -> content, as an import reads the archive."""
    content = (host / "work" / folders.ARCHIVE).read_bytes()
    return dict(read_uploads([(folders.ARCHIVE, content)], limit_bytes=10**9))


def outcome(host):
    report = (host / "work" / folders.REPORT).read_bytes()
    params = KIND.Params(folder="/x")
    return read_outcome(KIND, params, None, {folders.REPORT: report})


def test_files_keep_their_paths_below_the_folder(host):
    files = {"runs/a.json": b"{}", "runs/b/c d/结果.csv": b"1,2\n", "runs/b/Log.TXT": b"x"}
    put(host, files | {"other.json": b"{}"})

    done = collected(host)

    assert done.returncode == 0, done.stderr
    assert unpacked(host) == files
    message = outcome(host).message
    assert (message.id, message.args) == ("collect:done", {"files": 3, "size": "7 B"})


HOSTILE = (
    b"a\\..\\..\\x.json",
    b"a\nb.json",
    b"\x1b[2J.json",
    b"\xff\xfe.json",
    b"\xe2\x80\xae.md",
)


@pytest.mark.parametrize(
    ("names", "reason", "message"),
    [
        ((".git/a.json", ".env.json", "__pycache__/a.json"), "runs/.git: hidden", "done"),
        (("host.env", "model.bin"), "runs/host.env: no format of results", "done"),
        ((f"{'b' * 200}/{'c' * 200}.json",), "a path over 280 characters", "partly"),
        *(((os.fsdecode(name),), "unusual characters", "partly") for name in HOSTILE),
    ],
)
def test_other_files_are_left_out_with_the_reason(host, names, reason, message):
    put(host, {f"runs/{name}": b"{}" for name in (*names, "a.json")})

    done = collected(host)

    assert done.returncode == 0, done.stderr
    assert unpacked(host) == {"runs/a.json": b"{}"}
    assert reason in done.stdout
    assert "\x1b" not in done.stdout
    assert outcome(host).message.id == f"collect:{message}"


def test_no_link_is_followed(host):
    put(host, {"secret.json": b'{"key": 1}', "runs/a.json": b"{}"})
    runs = host / "space" / "runs"
    (runs / "file.json").symlink_to(host / "space" / "secret.json")
    (runs / "folder").symlink_to(host / "space")
    (runs / "loop").symlink_to(runs)
    (runs / "own.json").symlink_to(runs / "a.json")

    done = collected(host)

    assert unpacked(host) == {"runs/a.json": b"{}"}
    assert done.stdout.count("a link, which is not followed") == 4
    message = outcome(host).message
    assert (message.id, message.args["left_out"]) == ("collect:partly", 4)


def test_a_folder_that_leads_elsewhere_is_refused(host):
    (host / "secret").mkdir()
    (host / "secret" / "a.json").write_bytes(b"{}")
    (host / "space" / "out").symlink_to(host / "secret")
    (host / "space" / "own").symlink_to(host / "space" / "spool")
    (host / "space" / "top").symlink_to(host / "space")

    for folder, reason in (
        ("out", "which is not below"),
        ("own", "a folder of jobs or environments"),
        ("top", "which is not below"),
        ("nothere", "there is no folder"),
    ):
        done = collected(host, folder)
        assert (done.returncode, reason in done.stderr) == (1, True), done.stderr
    assert not (host / "work" / folders.ARCHIVE).exists()


def test_folders_of_jobs_and_deep_ones_below_are_left_out(host):
    most = "/".join(["runs", *"abcdef"])
    put(host, {"spool/7/plan.json": b"{}", "runs/a.json": b"{}"})
    put(host, {f"{most}/a.json": b"{}", f"{most}/g/a.json": b"{}"})

    done = collected(host, ".", root=".")

    assert unpacked(host) == {"space/runs/a.json": b"{}", f"space/{most}/a.json": b"{}"}
    assert "left out: space/spool: folder of jobs or environments" in done.stdout
    assert "more than 8 folders deep" in done.stdout


def test_sockets_and_pipes_are_not_opened(host):
    put(host, {"runs/a.json": b"{}"})
    os.mkfifo(host / "space" / "runs" / "pipe.json")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(host / "space" / "runs", os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/s.json")  # the path itself may be too long
        os.close(here)

        done = collected(host)

    assert unpacked(host) == {"runs/a.json": b"{}"}
    assert done.stdout.count("no regular file") == 2


@pytest.fixture
def limited(host, monkeypatch):
    """The script in this process, with small limits."""
    module = script_module()
    small = {"MOST_FILES": 3, "MOST_NAMES": 6, "LARGEST_FILE": 8, "MOST_BYTES": 10, "SHOWN": 2}
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.chdir(host / "work")
    return module


def test_a_large_file_is_left_out(host, limited):
    put(host, {"runs/a.json": b"12345678", "runs/b.json": b"123456789"})

    report = limited.collect(host / "space/runs", host / "space", [])

    assert unpacked(host) == {"runs/a.json": b"12345678"}
    assert (report["files"], report["bytes"], report["left_out"]) == (1, 8, 1)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({f"{n}.json": b"1" for n in range(4)}, "more than 3 result files"),
        ({f"{n}.bin": b"1" for n in range(7)}, "more than 6 names"),
        ({"a.json": b"123456", "b.json": b"12345"}, "of result files. Choose a folder"),
        ({"a.bin": b"1"}, "no result file to collect"),
    ],
)
def test_a_part_of_a_folder_never_looks_whole(host, limited, files, reason):
    put(host, {f"runs/{path}": content for path, content in files.items()})

    with pytest.raises(SystemExit, match=reason):
        limited.collect(host / "space/runs", host / "space", [])

    assert not (host / "work" / folders.ARCHIVE).exists()


def test_the_log_names_the_first_of_many(host, limited, capsys):
    put(host, {"runs/a.json": b"1"} | {f"runs/{n}.bin": b"1" for n in range(4)})

    limited.collect(host / "space/runs", host / "space", [])

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "format" in line] == [
        "left out: runs/0.bin: no format of results",
        "left out: runs/1.bin: no format of results",
        "left out: 2 more: no format of results",
    ]


def test_limits_are_those_of_an_import():
    module = script_module()

    assert (module.MOST_FILES, module.LONGEST_PATH) == (imports.MOST_FILES, imports.LONGEST_PATH)


# -- real captures --------------------------------------------------------------------------------

CAPTURES = [
    SERVE.rpartition("/")[0],
    EVALUATION,
    "opencompass-0.4.1",
    "evalscope-1.14-perf/capture",
    "evalscope-1.14-eval/capture",
    "guidellm-0.8",
    "aiperf-0.13",
    "lm-eval-0.4",
]


@pytest.mark.parametrize("path", CAPTURES)
def test_a_collected_folder_has_the_figures_of_an_upload(host, path):
    subprocess.run(["cp", "-r", str(DATA / path), str(host / "space" / "runs")], check=True)
    own = path.rpartition("/")[2]

    done = collected(host, f"runs/{own}")

    assert done.returncode == 0, done.stderr
    with tarfile.open(host / "work" / folders.ARCHIVE) as archive:
        assert all(member.isreg() for member in archive)
    whole = recognise(read_paths([DATA / path], limit_bytes=10**9))
    assert recognise(unpacked(host)).readings == whole.readings
    assert whole.readings
