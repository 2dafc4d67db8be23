"""What a stack's file may say: a set of tools that fit together, as a form must know them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from jobs.catalog.architecture import Strict
from jobs.catalog.schema import PathName, Text, Tokens, Word

Port = Annotated[int, Field(ge=1, le=65535)]
Command = tuple[Word, ...]
Dataset = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


class Build(Strict):
    """One image that is built by hand: ``docker build -f FILE -t IMAGE --shm-size=SIZE .``.

    ``repository`` and ``checkout``: where its folder comes from; "": a folder of the operator's.
    """

    image: Word
    file: Word
    shm_size: Word
    repository: str = ""
    checkout: str = ""
    source: Text


class Image(Strict):
    """The container image of vLLM.

    ``name`` with ``tag``; ``in_registry``: its name is behind the registry's address, which is a
    setting. ``tags``: all that are known. Empty ``build``: it is pulled.
    """

    name: Word
    tag: str = ""
    in_registry: bool
    tags: tuple[Word, ...] = ()
    build: tuple[Build, ...] = ()
    source: Text

    def reference(self, registry: str, *, tag: str = "") -> str:
        """The image as docker takes it. ``registry`` is an address, without a scheme.

        Raises:
            ValueError: the image is in a registry, and no address is set.
        """
        if self.in_registry and not registry:
            raise ValueError("no registry is set")
        tag = tag or self.tag
        name = f"{registry}/{self.name}" if self.in_registry else self.name
        return f"{name}:{tag}" if tag else name


class Container(Strict):
    """How the container of a server is started; each is an option of ``docker run``.

    ``mount``: what the host's workspace is called inside.
    """

    shm_size: Word
    ipc: str = ""
    network: str = ""
    privileged: bool
    publish_port: bool
    mount: Word
    name: Word
    source: Text


class Mtp(Strict):
    """Speculative decoding with the model's own MTP head."""

    flag: Word
    value: Word
    source: Text


class LongInput(Strict):
    """Variables that inputs above a length need."""

    above_tokens: Tokens
    env: dict[str, str]
    source: Text


class Vllm(Strict):
    """``vllm serve`` of one version.

    ``generation``: which engine, and so which log and which metrics. ``enable_reasoning``: the flag
    of that name exists and the parser needs it. ``reasoning_field``: where a reply holds its
    reasoning. ``needs_both_think_tags``: the parser sees no reasoning in a reply without <think>.
    ``mtp``: None where it has none. ``no_async_scheduling``: that flag goes with MTP or pipeline
    stages. ``pipeline``: whether pipeline stages are published for it.
    """

    version: Word
    generation: Literal["V0", "V1"]
    command: Command
    port: Port
    health_path: Word
    ready_line: Word
    max_concurrency: int | None = Field(None, ge=1)
    enable_reasoning: bool
    reasoning_parser: Word
    reasoning_field: Literal["reasoning", "reasoning_content"]
    needs_both_think_tags: bool
    tool_call_parser: str = ""
    enable_log_requests: bool
    rope_scaling_flag: Word
    mtp: Mtp | None = None
    no_async_scheduling: bool
    pipeline: bool
    long_input: LongInput | None = None
    image: Image | None = None
    container: Container | None = None
    source: Text


class Online(Strict):
    """The benchmark over HTTP.

    ``default_backend`` posts prompts to the completions endpoint: where requests go to the chat
    endpoint, ``chat_backend`` must be asked for. ``goodput_key``: how its JSON spells goodput.
    ``save_detailed``: lists of single requests need a flag. ``random_is_symmetric``: a range ratio
    r means ±r around the length, else it means from r times the length up to it.
    """

    command: Command
    default_backend: Word
    chat_backend: Word
    datasets: tuple[Dataset, ...]
    default_dataset: Dataset
    sonnet_file: str = ""
    makes_result_dir: bool
    save_detailed: bool
    goodput_key: Word
    sampling_flags: bool
    best_of: bool
    model_optional: bool
    random_is_symmetric: bool
    exits_0_without_success: bool
    source: Text

    @model_validator(mode="after")
    def _the_default_is_there(self) -> Online:
        if self.default_dataset not in self.datasets:
            raise ValueError("default_dataset must be one of datasets")
        return self


class Offline(Strict):
    """A benchmark that loads the model itself, so that no server may hold the dies.

    ``dataset_name``: the flag of that name exists. ``needs_import``: a script that must import
    this module first, or it runs without the accelerator; "" where the launcher does it.
    """

    command: Command
    dataset_name: bool = False
    needs_import: str = ""
    progress_word: str = ""
    source: Text


class Bench(Strict):
    """The three benchmarks. ``folder``: where scripts lie in the container, "" for commands."""

    folder: str = ""
    online: Online
    throughput: Offline
    latency: Offline


class BuildIn(Strict):
    """The compiler and the server of compiled models.

    ``config``: the server is given one YAML file, else flags. ``ready_path`` answers once it is
    ready; ``health_path``, ``metrics_path``: "" where none is documented. ``bare_stream``: its
    stream is lines of JSON without ``data:``. ``batch_size``: requests at the same time, unless
    asked otherwise; None where nothing is published.
    """

    compiler: Word
    compile_command: Command
    length_multiple: int = Field(ge=1)
    stack_size_from_parameters: int = Field(gt=0)
    stack_size: int = Field(gt=0)
    server: Word
    serve_command: Command
    config: bool
    port: Port
    ready_path: Word
    health_path: str = ""
    metrics_path: str = ""
    webui_port: Port
    bare_stream: bool
    batch_size: int | None = Field(None, ge=1)
    source: Text


class Evaluation(Strict):
    """What scores answers; "" where the stack does without. ``opencompass_checkout`` is a tag."""

    opencompass: str = ""
    opencompass_repository: str = ""
    opencompass_checkout: str = ""
    opencompass_python: str = ""
    evalscope: str = ""
    source: Text


class Stack(Strict):
    """One set of tools. ``hosts``: the sort of host that it runs on. ``tools``: name -> version.

    A version that ends in "+" is the least one; "" is one that nobody names. ``environment``: the
    virtual environment that holds vLLM, for a stack that runs it in no container.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    order: int
    name: Word
    summary: Text
    hosts: Literal["vacc", "cpu"]
    tools: dict[Word, str]
    environment: Word | Literal[""] = ""
    vllm: Vllm
    bench: Bench
    build_in: BuildIn | None = None
    evaluation: Evaluation
    notes: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _vllm_runs_somewhere(self) -> Stack:
        if bool(self.environment) == bool(self.vllm.container):
            raise ValueError("vllm runs either in a container or in an environment")
        return self

    @property
    def paths(self) -> tuple[PathName, ...]:
        """The ways of deploying that it has."""
        return ("build_in", "vllm") if self.build_in else ("vllm",)
