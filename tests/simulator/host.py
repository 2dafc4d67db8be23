"""A made-up VACC host in a folder of its own, whose programs are the stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from simulator import furnish, root
from simulator import run as standins
from simulator.lib import world
from tests.stack import answered
from tests.waiting import PATIENCE_S

SPEED = "3000"
Done = subprocess.CompletedProcess[str]


@dataclass
class Host:
    """``run`` runs a program of the host. Its workspace is seen as ``/test`` in containers."""

    downloads: ClassVar[Path]  # weights that another host has downloaded
    folder: Path

    def __post_init__(self) -> None:
        for part in ("workspace", "state"):
            (self.folder / part).mkdir(parents=True)
        root.build(self.root, dies=32)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def conda(self) -> Path:
        return self.root / root.CONDA

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("STANDIN_", "HOST_"))}
        return {
            **kept,
            **standins.environment(self.folder),
            "STANDIN_SPEED": SPEED,
            "COLUMNS": "200",
            **(more or {}),
        }

    def run(
        self, *argv: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Done:
        program = self._program(argv[0])
        done = subprocess.run(
            [program, *argv[1:]],
            cwd=cwd or self.workspace,
            env=self.environment(env),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            check=False,
        )
        # Not as text: that would make a line's end of every carriage return.
        out, err = (part.decode(errors="replace") for part in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def _program(self, name: str) -> str:
        for folder in (world.BIN, self.conda / "bin"):
            if (folder / name).exists():
                return str(folder / name)
        return name

    @contextmanager
    def started(self, *argv: str, env: Mapping[str, str] | None = None) -> Iterator[Started]:
        log = self.folder / f"{argv[0].rpartition('/')[2]}-{time.time_ns()}.log"
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [self._program(argv[0]), *argv[1:]],
                cwd=self.workspace,
                env=self.environment(env),
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            yield Started(popen, log)
        finally:
            popen.send_signal(signal.SIGTERM)
            try:
                popen.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()

    def faults(self, *names: str) -> None:
        """From now on these go wrong."""
        world.write(self.folder / "state/faults.json", json.dumps(names))

    def weights(self, model: str = "DeepSeek-R1-Distill-Qwen-7B") -> Path:
        """The folder of a model; the first host of the tests downloads it."""
        folder, kept = self.workspace / "weights" / model, self.downloads / model
        if folder.is_dir():
            return folder
        if kept.is_dir():
            shutil.copytree(kept, folder)
            return folder
        done = self.run("hf", "download", f"deepseek-ai/{model}", "--local-dir", str(folder))
        assert done.returncode == 0, done.stderr
        shutil.copytree(folder, kept)
        return folder


@dataclass
class Started:
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> int:
        return self.popen.wait(PATIENCE_S)


def get(url: str, key: str = "") -> tuple[int, str]:
    """(status, body); status 0 without an answer."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    return _answer(request)


def post(url: str, body: Mapping[str, Any], key: str = "") -> tuple[int, str]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    return _answer(urllib.request.Request(url, json.dumps(body).encode(), headers))


def _answer(request: urllib.request.Request) -> tuple[int, str]:
    status, body = answered(request)
    return status, body.decode()


def events(text: str) -> list[dict[str, Any]]:
    """The JSON of server-sent events."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


# Inputs of vamc: the yaml of the guide and changed model files

NAME = "DeepSeek-R1-Distill-Qwen-7B-int8-tp4-1024-2048"


def config(host: Host, *, block: bool = True, **more: object) -> str:
    """The guide's int8 yaml for a model with its modification; ``more`` changes the frontend."""
    checkpoint = host.weights()
    frontend: dict[str, object] = {
        "checkpoint": str(checkpoint),
        "type": "huggingface",
        "shape": {"input_ids": [[1024], [2048]]},
        "model_kwargs": {"b2s": True, "tp": 4, "model_arch": "vacc"},
        "quantize": {"type": "w8a16_gptq"},
        **more,
    }
    data = {
        "name": NAME,
        "frontend": frontend,
        "backend": {"type": "tvm_vacc", "dtype": "int8", "compile": {"data_type": 0}},
        "workspace": {"path": "./vacc_deploy", "workers": 4},
    }
    text = yaml.safe_dump(data, default_flow_style=None if block else False, sort_keys=False)
    (host.workspace / "c.yaml").write_text(text)
    return "c.yaml"


def modify(host: Host) -> Path:
    """Put the four files beside the weights, as the guide does."""
    folder = host.weights()
    furnish.workspace(host.workspace)
    source = host.workspace / "build_in/source_code"
    for name in ("modeling_qwen2_vacc.py", "configuration_qwen2_vacc.py", "quantization_vacc.py"):
        shutil.copy(source / name, folder)
    shutil.copy(folder / "config.json", folder / "config_vacc.json")
    return folder


# The configuration of an OpenCompass run

CONFIG = """
from mmengine.config import read_base
from opencompass.models import OpenAISDK
from opencompass.utils.text_postprocessors import extract_non_reasoning_content

with read_base():
    from opencompass.configs.datasets.FewCLUE_cluewsc.FewCLUE_cluewsc_gen import cluewsc_datasets
    from opencompass.configs.datasets.math.math_500_gen import math_datasets

datasets = cluewsc_datasets + math_datasets
models = [
    dict(
        abbr="deepseek-r1-va16",
        type=OpenAISDK,
        path="m",
        key="EMPTY",
        openai_api_base=["{url}/v1"],
        max_out_len=4096,
        max_seq_len=8192,
        temperature=0.6,
        batch_size=4,
        retry=2,
        pred_postprocessor=dict(type=extract_non_reasoning_content),
    )
]
"""


def configured(host: Host, url: str = "http://127.0.0.1:9") -> str:
    (host.workspace / "eval_ds.py").write_text(CONFIG.replace("{url}", url))
    return "eval_ds.py"
