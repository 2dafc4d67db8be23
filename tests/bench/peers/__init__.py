"""Peers: programs of others on the same work, one module each.

A peer is another way from the same source to the same receivers. Packages are installed once,
below ``data/peers``; the complete list beside a module fixes their versions.
"""

import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.programs import ended
from tests.stack import ROOT, clean_environment
from tests.waiting import until

ENVIRONMENTS = ROOT / "data" / "peers"
START_S = 120


@dataclass(frozen=True, slots=True)
class Gateway:
    """An address that takes chat completions of OpenAI's form, with the headers of who asks.

    ``pids``: the processes whose processor time a token costs.
    """

    name: str
    url: str
    pids: Sequence[int] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def installed(requirement: str) -> Path:
    """Return the folder of programs of an environment with this package, made on first use.

    Raises:
        SystemExit: pip cannot install the package on this machine.
    """
    name = requirement.partition("[")[0]
    versions = Path(__file__).with_name(f"{name}.txt")
    folder = ENVIRONMENTS / name
    mark = folder / "installed.txt"
    if not mark.exists() or mark.read_text() != versions.read_text():
        print(f"{name}: installing into {folder} …", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--only-binary", ":all:"]
        try:
            subprocess.run([*pip, "--constraint", versions, requirement], check=True)
        except subprocess.CalledProcessError as error:
            message = f"{name} is not measured: pip cannot install it on this machine"
            raise SystemExit(message) from error
        shutil.copy(versions, mark)
    return folder / "bin"


@contextmanager
def serving(
    command: Sequence[str | Path], folder: Path, health: str, **environ: str
) -> Iterator[int]:
    """Run a peer's server until the block ends; its process number, once ``health`` answers.

    Its home is ``folder``, and its output is in the file ``output`` there.
    """
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment() | {"HOME": str(folder)} | environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        with ended(process):
            until(lambda: _answers(health), f"{command[0]} answers", START_S)
            yield process.pid


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
