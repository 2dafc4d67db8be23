"""Reads a configuration: Python that imports data sets and models which are not here.

Whatever ``opencompass`` or ``mmengine`` it imports is made up while the file runs.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.lib import world
from simulator.lib.mmlu import SUBSETS

_MADE_UP = ("opencompass", "mmengine")
_CEVAL = {
    "computer_network": "db9ce2",
    "operating_system": "1c2571",
    "computer_architecture": "a74dad",
}


@dataclass(frozen=True)
class Config:
    """Config of a run: both are lists of dicts, as the file has them."""

    datasets: list[dict[str, Any]]
    models: list[dict[str, Any]]


def _dataset(abbr: str, path: str, sort: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "abbr": abbr,
        "path": path,
        "type": f"opencompass.datasets.{sort}",
        "reader_cfg": {"input_columns": ["input"], "output_column": "target"},
        "infer_cfg": {"inferencer": {"type": "opencompass.openicl.icl_inferencer.GenInferencer"}},
        "eval_cfg": {"pred_role": "BOT"},
        "_version": version,
        **more,
    }


def _families() -> dict[str, list[dict[str, Any]]]:
    wsc = "./data/FewCLUE/cluewsc"
    return {
        "cluewsc_datasets": [
            _dataset("cluewsc-dev", f"{wsc}/dev_few_all.json", "CluewscDatasetV2", "5ab83b"),
            _dataset("cluewsc-test", f"{wsc}/test_public.json", "CluewscDatasetV2", "5ab83b"),
        ],
        "math_datasets": [_dataset("math-500", "./data/math/", "CustomDataset", "11c4b5")],
        "mmlu_datasets": [
            _dataset(f"lukaemon_mmlu_{name}", "./data/mmlu/", "MMLUDataset", version, name=name)
            for name, (_, version) in SUBSETS.items()
        ],
        "ceval_datasets": [
            _dataset(
                f"ceval-{name}", "./data/ceval/formal_ceval", "CEvalDataset", version, name=name
            )
            for name, version in _CEVAL.items()
        ],
        "gsm8k_datasets": [_dataset("gsm8k", "./data/gsm8k", "GSM8KDataset", "1d7fe4")],
        "gpqa_datasets": [_dataset("GPQA_diamond", "./data/gpqa/", "GPQADataset", "5aeece")],
        "aime2024_datasets": [
            _dataset("aime2024", "./data/aime.jsonl", "Aime2024Dataset", "6e39a4")
        ],
        "ifeval_datasets": [
            _dataset("IFEval", "./data/ifeval/input_data.jsonl", "IFEvalDataset", "3321a3")
        ],
    }


class _Module(types.ModuleType):
    """A module with the names that the guide's configurations import."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.endswith("_datasets"):
            family = _families().get(name)
            if family is None:
                raise ImportError(f"cannot import name '{name}' from '{self.__name__}'")
            return family
        if name == "read_base":
            return _read_base
        return f"{self.__name__}.{name}"  # a class is known by its name only


@contextmanager
def _read_base() -> Iterator[None]:
    yield


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in _MADE_UP:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        return None


def load(path: Path) -> Config:
    """Run the file and take ``datasets`` and ``models`` from it.

    Raises:
        Exception: whatever the file raises.
        KeyError: it has none of the two.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    space: dict[str, Any] = {"__name__": "config", "__file__": str(path)}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    finally:
        sys.meta_path.remove(finder)
    datasets = [dict(item) for item in space["datasets"]]
    for item in datasets:
        item.setdefault("abbr", Path(str(item.get("path", "dataset"))).stem)
    return Config(datasets, [dict(item) for item in space["models"]])


def version_of(dataset: Mapping[str, Any]) -> str:
    """The hash that stands for its prompt."""
    known = dataset.get("_version")
    if known:
        return str(known)
    return f"{world.seeded('version', dataset.get('abbr')).randrange(16**6):06x}"


def dump(config: Config) -> str:
    """The configuration as it is kept beside the results."""
    lines = [f"# {world.MARK}", "datasets=["]
    for item in config.datasets:
        shown = {key: value for key, value in item.items() if not key.startswith("_")}
        lines.append(f"    {shown!r},")
    lines.append("    ]\nmodels=[")
    lines += [f"    {item!r}," for item in config.models]
    return "\n".join([*lines, "    ]"]) + "\n"
