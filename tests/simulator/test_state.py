"""The state of the made-up host: who reads it while it is written finds it whole."""

import threading
from pathlib import Path

import pytest

from simulator.lib import world
from simulator.lib.docker import containers, images, processes

TIMES = 100


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STANDIN_STATE", str(tmp_path))
    return tmp_path


def test_a_file_of_the_state_is_read_old_or_new_and_never_torn(tmp_path: Path) -> None:
    file = tmp_path / "state" / "faults.json"
    file.parent.mkdir()
    texts = {"a" * 200_000, "b" * 200_000}
    contents: set[str] = set()
    world.write(file, "a" * 200_000)
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            contents.add(file.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(TIMES):
        for text in texts:
            world.write(file, text)
    done.set()
    reader.join()

    assert contents <= texts
    assert list(file.parent.iterdir()) == [file]


def test_an_exit_code_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    for number in range(TIMES):
        logs = tmp_path / str(number)
        pid = processes.start(["sh", "-c", "exit 3"], {}, tmp_path, logs)
        collector = threading.Thread(
            target=containers._collect, args=(logs, pid, processes.start_ticks(pid))
        )
        collector.start()
        while (code := containers.exit_code(logs)) is None:
            pass
        collector.join()
        assert code == 3


def test_images_that_are_made_at_the_same_time_are_all_kept(state: Path) -> None:
    names = [f"image{number}:latest" for number in range(16)]
    makers = [
        threading.Thread(target=images.keep, args=(name,), kwargs={"vllm": "", "size": 1})
        for name in names
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert sorted(image["ref"] for image in images.every()) == sorted(names)


def test_an_image_hidden_by_a_fault_outlives_one_made_meanwhile(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.keep("vllm_vacc", vllm="0.7.2", size=1)
    monkeypatch.setenv("STANDIN_FAULTS", "image_missing")
    images.keep("other", vllm="", size=1)
    monkeypatch.delenv("STANDIN_FAULTS")

    assert {image["ref"] for image in images.every()} == {"vllm_vacc:latest", "other:latest"}
