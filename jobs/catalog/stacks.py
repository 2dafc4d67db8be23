"""Stacks: compatible sets of tools. A YAML file each, read once at import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from jobs.catalog.files import load_folder
from jobs.catalog.schema import PathName, Strict, Text, Tokens, Word

Port = Annotated[int, Field(ge=1, le=65535)]
Command = tuple[Word, ...]
Dataset = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


class Build(Strict):
    """Manually built image: ``docker build -f FILE -t IMAGE --shm-size=SIZE .``. ``repository`` and
    ``checkout``: source of its folder; "": a folder of the operator."""

    image: Word
    file: Word
    shm_size: Word
    repository: str = ""
    checkout: str = ""
    source: Text


class Image(Strict):
    """Container image of vLLM. ``in_registry``: the name follows the registry's address, a setting.
    ``tags``: all known ones. Empty ``build``: it is pulled."""

    name: Word
    tag: str = ""
    in_registry: bool
    tags: tuple[Word, ...] = ()
    build: tuple[Build, ...] = ()
    source: Text

    def reference(self, registry: str, *, tag: str = "") -> str:
        """Return the image reference for docker. ``registry`` is an address without a scheme.
        Raises ``ValueError``: the image is in a registry without a configured address."""
        if self.in_registry and not registry:
            raise ValueError("no registry is set")
        tag = tag or self.tag
        name = f"{registry}/{self.name}" if self.in_registry else self.name
        return f"{name}:{tag}" if tag else name


class Container(Strict):
    """Options of ``docker run``. ``mount``: path of the host's workspace in the container."""

    shm_size: Word
    ipc: str = ""
    network: str = ""
    publish_port: bool
    mount: Word
    name: Word
    source: Text


class Mtp(Strict):
    """Speculative decoding with the model's MTP head."""

    flag: Word
    value: Word
    source: Text


class LongInput(Strict):
    """Variables required for inputs above a length."""

    above_tokens: Tokens
    env: dict[str, str]
    source: Text


class Vllm(Strict):
    """``vllm serve`` of one version. ``enable_reasoning``: this flag exists and the parser needs
    it. ``needs_both_think_tags``: the parser finds no reasoning in a reply without <think>.
    ``mtp``: None without MTP. ``no_async_scheduling``: flag required with MTP or pipeline
    parallelism."""

    version: Word
    command: Command
    health_path: Word
    max_concurrency: int | None = Field(None, ge=1)
    enable_reasoning: bool
    reasoning_parser: Word
    needs_both_think_tags: bool
    mtp: Mtp | None = None
    no_async_scheduling: bool
    long_input: LongInput | None = None
    image: Image | None = None
    container: Container | None = None
    source: Text


class Online(Strict):
    """Benchmark over HTTP. ``default_backend`` uses the completions endpoint; the chat endpoint
    needs ``chat_backend``. ``save_detailed``: lists of single requests need a flag.
    ``header_flag``: has a flag of headers; without the flag every request has a connection of its
    own anyway."""

    command: Command
    default_backend: Word
    chat_backend: Word
    datasets: tuple[Dataset, ...]
    sonnet_file: str = ""
    makes_result_dir: bool
    save_detailed: bool
    sampling_flags: bool
    header_flag: bool = False
    source: Text


class OfflineBenchmark(Strict):
    """Benchmark that loads the model itself: no server may use the dies. ``dataset_name``: this
    flag exists. ``needs_import``: module that the script must import first to use the accelerator;
    "" when the launcher does this."""

    command: Command
    dataset_name: bool = False
    needs_import: str = ""
    source: Text


class Bench(Strict):
    """The three benchmarks. ``folder``: script folder in the container, "" for commands."""

    folder: str = ""
    online: Online
    throughput: OfflineBenchmark
    latency: OfflineBenchmark


class BuildIn(Strict):
    """Compiler and server of compiled models. ``config``: the server takes a YAML file, else flags.
    ``bare_stream``: the stream has JSON lines without ``data:``. ``batch_size``: default
    concurrency; None if unpublished."""

    compiler: Word
    compile_command: Command
    length_multiple: int = Field(ge=1)
    stack_size_from_parameters: int = Field(gt=0)
    stack_size: int = Field(gt=0)
    server: Word
    serve_command: Command
    config: bool
    port: Port
    bare_stream: bool
    batch_size: int | None = Field(None, ge=1)
    source: Text


class EvaluationTools(Strict):
    """Evaluation tools; "" if not in the stack. ``opencompass_checkout`` is a tag."""

    opencompass: str = ""
    opencompass_repository: str = ""
    opencompass_checkout: str = ""
    opencompass_python: str = ""
    evalscope: str = ""
    source: Text


class Stack(Strict):
    """Stack of tools. ``hosts``: type of host. ``environment``: that of vLLM without a
    container."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    order: int
    name: Word
    summary: Text
    hosts: Literal["vacc", "cpu"]
    environment: Word | Literal[""] = ""
    vllm: Vllm
    bench: Bench
    build_in: BuildIn | None = None
    evaluation: EvaluationTools

    @model_validator(mode="after")
    def _vllm_runs_somewhere(self) -> Stack:
        if bool(self.environment) == bool(self.vllm.container):
            raise ValueError("vllm runs either in a container or in an environment")
        return self

    @property
    def paths(self) -> tuple[PathName, ...]:
        return ("build_in", "vllm") if self.build_in else ("vllm",)


def load_stacks(folder: Path) -> dict[str, Stack]:
    stacks = load_folder(folder, Stack)
    return {stack.id: stack for stack in sorted(stacks, key=lambda stack: stack.order)}


STACKS = load_stacks(Path(__file__).parent / "stacks")
