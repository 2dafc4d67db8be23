"""Inference: one task asks all sets, one question after another, and stores the answers."""

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from simulator.lib import bars, client, world
from simulator.lib.opencompass import data
from simulator.lib.opencompass.data import Item

RETRIES = 2
START_S = 180.0  # of the made-up world, until a task has imported its libraries


class FailedError(Exception):
    """The server did not answer: it ends the whole task."""


def stamp() -> str:
    """OpenCompass's own time, without a year."""
    return time.strftime("%m/%d %H:%M:%S")


def say(text: str, level: str = "INFO") -> str:
    """A line of its logger."""
    return f"{stamp()} - OpenCompass - {level} - {text}"


@dataclass
class Task:
    """One infer task of one model; ``log`` is its own file, or the console with ``--debug``."""

    model: Mapping[str, Any]
    datasets: Sequence[Mapping[str, Any]]
    folder: Path
    log: TextIO

    @property
    def name(self) -> str:
        """``abbr/set,abbr/set``."""
        abbr = self.model["abbr"]
        return ",".join(f"{abbr}/{item['abbr']}" for item in self.datasets)

    def run(self) -> None:
        """Ask everything.

        Raises:
            FailedError: the server does not answer; predictions so far are stored.
        """
        began = time.monotonic()
        self._write(say(f"Task [{self.name}]"))
        world.sleep(START_S)
        try:
            if world.fault("opencompass_all_dash"):
                raise FailedError(
                    "Calling OpenAI API failed after retrying for 2 times. "
                    "Check the logs for details."
                )
            for number, dataset in enumerate(self.datasets):
                while number == 1 and world.fault("second_set_waits"):
                    world.sleep(START_S / 10)
                asyncio.run(self._dataset(dataset))
        except FailedError as error:
            self._write(
                'Traceback (most recent call last):\n  File "/opt/opencompass/opencompass/tasks/'
                'openicl_infer.py", line 162, in <module>\n    inferencer.run()\n'
                f"RuntimeError: {error}"
            )
            raise
        self._write(say(f"time elapsed: {time.monotonic() - began:.2f}s"))

    def _write(self, text: str) -> None:
        self.log.write(text + "\n")
        self.log.flush()

    async def _dataset(self, dataset: Mapping[str, Any]) -> None:
        abbr = str(dataset["abbr"])
        done_path = self.folder / f"{abbr}.json"
        if done_path.is_file():
            return
        self._write(say(f"Start inferencing [{self.model['abbr']}/{abbr}]"))
        where = "opencompass.openicl.icl_inferencer.icl_gen_inferencer"
        for text in ("Starting build dataloader", "Starting inference process..."):
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            self._write(f"[{now},{time.time_ns() // 10**6 % 1000:03d}] [{where}] [INFO] {text}")
        asked = data.items(dataset)[: data.budget(abbr)]
        part = self.folder / f"tmp_{abbr}.json"
        answers = _kept(part)
        size = int(self.model.get("batch_size", 1))
        batches = [asked[at : at + size] for at in range(0, len(asked), size)]
        bar = bars.Bar(len(batches), to=self.log)
        for number, batch in enumerate(batches):
            if len(answers) < (number + 1) * size and len(answers) < len(asked):
                await self._batch(batch, answers)
                _keep(part, answers)
            bar.add()
        bar.close()
        _keep(part, answers)
        part.replace(done_path)

    async def _batch(self, batch: Sequence[Item], answers: dict[str, Any]) -> None:
        self._write("")
        inner = bars.Bar(len(batch), "Inferencing", to=self.log)
        replies = await asyncio.gather(*(self._one(item) for item in batch))
        inner.add(len(batch))
        inner.close()
        for item, text in zip(batch, replies, strict=True):
            answers[str(len(answers))] = {
                "origin_prompt": item.prompt,
                "prediction": text,
                "gold": item.gold,
            }

    async def _one(self, item: Item) -> str:
        model = self.model
        base = model.get("openai_api_base") or "https://api.openai.com/v1"
        url = random.choice(base) if isinstance(base, (list, tuple)) else str(base)
        key = model.get("key", "ENV")
        key = os.environ.get("OPENAI_API_KEY", "") if key == "ENV" else str(key)
        body = {
            "model": model["path"],
            "messages": [{"role": "user", "content": item.prompt}],
            "max_tokens": int(model.get("max_out_len", 16384)),
            "temperature": model.get("temperature"),
            "n": 1,
        } | dict(model.get("extra_body") or {})
        tries = int(model.get("retry", RETRIES))
        for _ in range(max(1, tries)):
            reply = await client.ask(
                f"{url.rstrip('/')}/chat/completions", body, key=key, timeout=3600
            )
            if reply.ok:
                return reply.text  # 0.4.1 reads ``content`` and nothing else
            self._write(say(f"error occurs at {url}: {reply.status} {reply.body[:200]}", "ERROR"))
        raise FailedError(
            f"Calling OpenAI API failed after retrying for {tries} times. "
            "Check the logs for details."
        )


def _kept(path: Path) -> dict[str, Any]:
    """Return the predictions of an earlier run."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _keep(path: Path, answers: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(answers, indent=4, ensure_ascii=False), encoding="utf-8")
