"""The stand-in of vLLM as a server of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulator.host import Host, Started, get
from tests.stack import free_port
from tests.waiting import until

OLD, NEW = "0.7.2", "0.17.0"
QWEN = "DeepSeek-R1-Distill-Qwen-1.5B"


@contextmanager
def serving(
    host: Host, version: str, *more: str, model: str = QWEN, **env: str
) -> Iterator[tuple[str, Started]]:
    folder, port = host.weights(model), free_port()
    argv = ["vllm", "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--served-model-name", "m", "--max-model-len", "8192", "--enforce-eager", *more]
    with host.started(*argv, env={"STANDIN_VLLM_VERSION": version, **env}) as server:
        url = f"http://127.0.0.1:{port}"
        until(lambda: get(f"{url}/health")[0] == 200 or server.popen.poll() is not None)
        yield url, server


def metric(text: str, name: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


CHAT = ("--backend", "openai-chat", "--endpoint", "/v1/chat/completions")


def of_port(url: str) -> tuple[str, ...]:
    return ("--host", "127.0.0.1", "--port", url.rpartition(":")[2])
