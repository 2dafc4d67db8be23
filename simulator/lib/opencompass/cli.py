"""``opencompass``: console, folders and files of a run. It exits 0 even when every task failed."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from simulator.lib import bars, options, world
from simulator.lib.opencompass import config, data, infer, tables
from simulator.lib.opencompass.config import Config
from simulator.lib.opencompass.infer import say

_TABLE = """
list   --models --datasets --hf-num-gpus
str    --summarizer --work-dir,-w --config-dir=configs --partition,-p --quotatype,-q --qos
str    --hf-type --hf-path --tokenizer-path --peft-path --custom-dataset-path
str    --custom-dataset-meta-path --custom-dataset-data-type --custom-dataset-infer-method --lark
str    --dlc-config-path --generation-kwargs --model-kwargs --tokenizer-kwargs
choice --accelerator,-a{vllm,lmdeploy}
choice --mode,-m=all{all,infer,eval,viz}
opt    --reuse,-r
int    --max-num-workers=1 --max-workers-per-gpu=1 --retry=2 --max-partition-size=40000
int    --max-seq-len --max-out-len=256 --min-out-len=1 --batch-size=8 --num-gpus
flag   --debug --dry-run --slurm --dlc --lark-report --dump-eval-details --dump-extract-rate
flag   --force-overwrite
"""
_SOURCE = "/opt/opencompass/opencompass"
EVAL_S = 90.0  # of the made-up world, an eval task


def main(argv: Sequence[str]) -> int:
    """Run ``opencompass``; its exit code."""
    parser = argparse.ArgumentParser("opencompass", description="Run an evaluation task")
    parser.add_argument("config", nargs="?", help="Train config file path")
    options.add(parser, _TABLE)
    args = parser.parse_args(argv)
    if not args.config:
        world.err("AssertionError: please provide a config file or models and datasets")
        return 1
    path = world.real(args.config)
    try:
        settings = config.load(path)
    except FileNotFoundError:
        return _crash(f"FileNotFoundError: [Errno 2] No such file or directory: '{args.config}'")
    except Exception as error:  # the file is a program: it may raise anything
        return _crash(f"{type(error).__name__}: {error}")
    if args.mode in ("eval", "viz") and not args.reuse:
        return _crash(
            "ValueError: You must specify -r or --reuse when running in eval or viz mode!"
        )
    return _Run(args, settings).run()


class _Run:
    """One run, in a folder of its own."""

    def __init__(self, args: argparse.Namespace, settings: Config) -> None:
        self._args, self._config = args, settings
        base = Path(args.work_dir or "outputs/default")
        self._stamp = time.strftime("%Y%m%d_%H%M%S")
        if args.reuse:
            older = sorted(item.name for item in world.real(base).glob("2*"))
            self._stamp = (
                args.reuse if isinstance(args.reuse, str) else (older or [self._stamp])[-1]
            )
        self._shown = base / self._stamp
        self._folder = world.real(self._shown)
        self._scores: dict[tuple[str, str], float] = {}

    def run(self) -> int:
        """Infer, evaluate, summarise; the exit code."""
        if self._args.reuse:
            world.out(say(f"Reusing experiements from {self._stamp}"))
        world.out(say(f"Current exp folder: {self._shown}"))
        (self._folder / "configs").mkdir(parents=True, exist_ok=True)
        kept = self._folder / "configs" / f"{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}.py"
        kept.write_text(config.dump(self._config), encoding="utf-8")
        if self._args.mode in ("all", "infer"):
            ignored = "SlurmRunner is not used, so the partition argument is ignored."
            world.out(say(ignored, "WARNING"))
            missing = self._missing()
            if missing:
                return self._say_missing(missing)
            self._infer()
        if self._args.dry_run:
            return 0
        if self._args.mode in ("all", "eval"):
            self._evaluate()
        if self._args.mode in ("all", "eval", "viz"):
            self._summarise()
        return 0

    def _missing(self) -> str:
        """The first path of a data set that is not there; "" when all are."""
        for dataset in self._config.datasets:
            try:
                data.items(dataset)
            except data.MissingError as error:
                return error.path
        return ""

    def _say_missing(self, path: str) -> int:
        home = Path.home() / ".cache/opencompass/data"
        if "FewCLUE" in path:
            return _crash(f"FileNotFoundError: [Errno 2] No such file or directory: '{path}'")
        name = "math" if "math" in path else "mmlu" if "mmlu" in path else "OpenCompassData"
        url = f"http://opencompass.oss-cn-shanghai.aliyuncs.com/datasets/data/{name}.zip"
        world.out(
            say(
                f"{path} does not exist!Start Download data automatically!If you have "
                "downloaded the data before,You can specific `COMPASS_DATA_CACHE` to avoid "
                "downloading~"
            )
        )
        world.out(f"Downloading {url} to {home}/{name}.zip")
        return _crash("urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>")

    # -- inference --------------------------------------------------------------------------------

    def _infer(self) -> None:
        groups = [
            (model, part)
            for model in self._config.models
            for part in _shares(self._left("predictions", model), self._args.max_num_workers)
        ]
        world.out(say(f"Partitioned into {len(groups)} tasks."))
        if self._args.dry_run:
            return
        bar = None if self._args.debug else bars.Bar(len(groups))
        failed = []
        for model, part in groups:
            name = self._infer_one(model, part, bar)
            if name:
                failed.append(name)
            if bar:
                bar.add()
                bar.draw()
        if bar:
            bar.close()
        for name in failed:
            world.out(
                say(
                    f"{_SOURCE}/runners/base.py - summarize - 64 - {name} failed with code 1",
                    "ERROR",
                )
            )

    def _left(self, what: str, model: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The data sets without a file of predictions or results: only these become tasks."""
        folder = self._folder / what / str(model["abbr"])
        return [
            one for one in self._config.datasets if not (folder / f"{one['abbr']}.json").exists()
        ]

    def _infer_one(
        self, model: Mapping[str, Any], part: Sequence[Mapping[str, Any]], bar: bars.Bar | None
    ) -> str:
        """Run one task; its name when it failed, else ""."""
        abbr = str(model["abbr"])
        predictions = self._folder / "predictions" / abbr
        predictions.mkdir(parents=True, exist_ok=True)
        log_path = self._log("infer", abbr, str(part[0]["abbr"]))
        with _Opened(log_path, self._args.debug) as log:
            task = infer.Task(model, part, predictions, log)
            name = f"OpenICLInfer[{task.name}]"
            _launch(name, bar)
            try:
                task.run()
            except (infer.FailedError, data.MissingError):
                shown = self._shown / log_path.relative_to(self._folder)
                world.err(
                    say(
                        f"{_SOURCE}/runners/local.py - _launch - 241 - task {name} fail, see\n"
                        f"{shown}",
                        "ERROR",
                    )
                )
                return name
        return ""

    # -- evaluation -------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        pairs = [(m, d) for m in self._config.models for d in self._left("results", m)]
        world.out(say(f"Partitioned into {len(pairs)} tasks."))
        bar = None if self._args.debug else bars.Bar(len(pairs))
        for model, dataset in pairs:
            self._evaluate_one(str(model["abbr"]), model, dataset, bar)
            if bar:
                bar.add()
                bar.draw()
        if bar:
            bar.close()

    def _evaluate_one(
        self, abbr: str, model: Mapping[str, Any], dataset: Mapping[str, Any], bar: bars.Bar | None
    ) -> None:
        name = str(dataset["abbr"])
        _launch(f"OpenICLEval[{abbr}/{name}]", bar)
        began = time.monotonic()
        world.sleep(EVAL_S / max(1, len(self._config.datasets) / 3))
        with _Opened(self._log("eval", abbr, name), self._args.debug) as log:
            try:
                text = (self._folder / "predictions" / abbr / f"{name}.json").read_text("utf-8")
            except OSError:
                log.write(say(f"Task [{abbr}/{name}]: No predictions found.", "ERROR") + "\n")
                return
            result = self._score(name, model, json.loads(text))
            self._scores[abbr, name] = result["accuracy"]
            path = self._folder / "results" / abbr / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result, indent=4, ensure_ascii=False), encoding="utf-8")
            shown = {"accuracy": result["accuracy"]}
            log.write(say(f"Task [{abbr}/{name}]: {shown}") + "\n")
            log.write(say(f"time elapsed: {time.monotonic() - began:.2f}s") + "\n")

    def _score(
        self, name: str, model: Mapping[str, Any], predictions: Mapping[str, Any]
    ) -> dict[str, Any]:
        strips = "extract_non_reasoning_content" in str(model.get("pred_postprocessor", ""))
        details, right = {}, 0
        for key, item in predictions.items():
            answer = str(item["prediction"] or "")
            answer = data.without_thought(answer) if strips else answer
            good = data.is_right(name, answer, str(item["gold"]))
            right += good
            details[key] = {"pred": answer, "answer": item["gold"], "correct": good}
        result: dict[str, Any] = {"accuracy": 100 * right / max(1, len(predictions))}
        if self._args.dump_eval_details:
            result["details"] = details
        return result

    def _summarise(self) -> None:
        abbrs = [str(model["abbr"]) for model in self._config.models]
        for abbr in abbrs:
            for dataset in self._config.datasets:
                path = self._folder / "results" / abbr / f"{dataset['abbr']}.json"
                if path.is_file():
                    kept = json.loads(path.read_text(encoding="utf-8"))
                    self._scores[abbr, str(dataset["abbr"])] = kept["accuracy"]
        datasets = self._config.datasets
        head, body = [*tables.HEAD, *abbrs], tables.rows(datasets, abbrs, self._scores)
        world.out(tables.simple(head, body))
        paths = tables.write(self._folder / "summary", self._stamp, datasets, abbrs, self._scores)
        world.out(say(f"write summary to {paths['txt'].absolute()}"))
        world.out(say(f"write csv to {paths['csv'].absolute()}"))
        world.out(f"\n\nThe markdown format results is as below:\n\n{tables.markdown(head, body)}")
        world.out(say(f"write markdown summary to {paths['md'].absolute()}"))

    def _log(self, sort: str, abbr: str, name: str) -> Path:
        path = self._folder / "logs" / sort / abbr / f"{name}.out"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class _Opened:
    """The log of a task: its file, or the console."""

    def __init__(self, path: Path, debug: bool) -> None:
        self._file: TextIO | None = None if debug else path.open("a", encoding="utf-8")

    def __enter__(self) -> TextIO:
        return self._file or sys.stdout

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()


def _shares(datasets: Sequence[Any], count: int) -> list[list[Any]]:
    """The data sets in ``count`` parts at most, in their order."""
    if not datasets:
        return []
    count = max(1, min(count, len(datasets)))
    size = -(-len(datasets) // count)
    return [list(datasets[at : at + size]) for at in range(0, len(datasets), size)]


def _launch(name: str, bar: bars.Bar | None) -> None:
    if bar:
        bar.clear()
    world.out(f"launch {name} on CPU ")
    if bar:
        bar.draw()


def _crash(last: str) -> int:
    world.err(
        'Traceback (most recent call last):\n  File "/opt/venv/bin/opencompass", line 8, in '
        f"<module>\n    sys.exit(main())\n{last}"
    )
    return 1
