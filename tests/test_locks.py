"""Lock files: what is installed is what the lists name, file by file, checked by hash."""

import importlib.util
import re
import subprocess
import zipfile
from hashlib import sha256

import pytest

from tests.locks import ROOT, locks, name_of

LOCKS = locks()
NAMES = [str(lock.path.relative_to(ROOT)) for lock in LOCKS]
HASHED = re.compile(
    r"[a-z0-9-]+==[A-Za-z0-9.+]+( ; [^\"#@:/]+?)?( --hash=sha256:[0-9a-f]{64})+", re.ASCII
)


def versions(lines, target):
    """Name -> version of the lines that are for ``target``."""
    found = {}
    for line in lines:
        spec, _, marker = line.partition(" --hash")[0].partition(";")
        if not line or line.startswith(("#", "-r")) or not target.wants(marker.strip()):
            continue
        found[name_of(spec)] = spec.partition("==")[2].strip()
    return found


def chosen(lock):
    lines = lock.source.read_text().splitlines()
    included = [line[3:] for line in lines if line.startswith("-r ")]
    return lines + [line for name in included for line in (ROOT / name).read_text().splitlines()]


@pytest.mark.parametrize("lock", LOCKS, ids=NAMES)
def test_every_line_has_a_version_and_hashes_and_nothing_else(lock):
    assert [line for line in lock.path.read_text().splitlines() if not HASHED.fullmatch(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=NAMES)
def test_a_lock_has_the_versions_that_its_list_names(lock):
    for target in lock.targets:
        wanted = versions(chosen(lock), target)
        locked = versions(lock.path.read_text().splitlines(), target)
        if lock.is_complete:
            locked |= {name: wanted[name] for name in lock.left}
            assert locked == wanted
        assert {name: locked.get(name) for name in wanted} == wanted


def test_every_list_has_a_lock_and_every_lock_a_list():
    lists = {*ROOT.glob("requirements*.txt"), *ROOT.glob("jobs/tools/*/pins/*")}
    files = {*(ROOT / "locks").iterdir(), *ROOT.glob("jobs/tools/*/locks/*")}

    assert {lock.source for lock in LOCKS} == lists
    assert {lock.path for lock in LOCKS} == files


def test_dashboard_host_and_tests_have_one_version_of_a_package():
    dashboard, host, dev = (lock.path.read_text().splitlines() for lock in LOCKS[:3])
    target = next(target for target in LOCKS[0].targets if target.is_supported)
    ours = versions(dashboard, target)

    assert versions(dev, target).items() >= ours.items()
    theirs = versions(host, target)
    assert {name: ours.get(name, theirs[name]) for name in theirs} == theirs


def wheel(folder, version):
    """A package ``tiny`` whose files have the version in them; its hash."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program, and an environment that it has made."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.python = module.make_environment(str(tmp_path_factory.mktemp("venv")))
    return module


@pytest.fixture
def bootstrap(program, tmp_path, monkeypatch):
    """That program, with a lock of its own, and a folder of wheels."""
    module = program
    monkeypatch.setattr(module, "ROOT", str(tmp_path))
    monkeypatch.setenv("WHEELS_DIR", str(tmp_path / "wheels"))
    (tmp_path / "wheels").mkdir()
    (tmp_path / "locks").mkdir()
    module.lock = tmp_path / "locks" / "requirements.txt"
    return module


def test_the_bootstrap_installs_a_lock_once_and_refuses_another_file(bootstrap, tmp_path, capfd):
    digest = wheel(tmp_path / "wheels", "first")
    bootstrap.lock.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")

    bootstrap.install(bootstrap.python, "requirements.txt")

    show = [bootstrap.python, "-c", "import tiny; print(tiny.VERSION)"]
    assert subprocess.check_output(show, text=True) == "first\n"

    wheel(tmp_path / "wheels", "forged")
    bootstrap.install(bootstrap.python, "requirements.txt")  # the same lock: pip does not run
    bootstrap.lock.write_text(f"tiny==1.0 --hash=sha256:{digest}  --hash=sha256:{64 * '0'}\n")
    subprocess.check_call([bootstrap.python, "-m", "pip", "uninstall", "-qy", "tiny"])

    with pytest.raises(SystemExit):
        bootstrap.install(bootstrap.python, "requirements.txt")
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err


def test_the_bootstrap_refuses_a_package_that_the_lock_does_not_name(bootstrap, tmp_path, capfd):
    wheel(tmp_path / "wheels", "first")
    bootstrap.lock.write_text("tiny==1.0\n")

    with pytest.raises(SystemExit):
        bootstrap.install(bootstrap.python, "requirements.txt")
    assert "Hashes are required" in capfd.readouterr().err
