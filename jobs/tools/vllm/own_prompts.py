"""A team's prompts for vLLM's client: its data set "custom", new for each concurrency."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.plans import PlanFile, Step, literal
from jobs.tools.lib.load import TEAM_FILE, team_file
from jobs.tools.lib.seeds import COLD, seeds_text
from jobs.tools.lib.site import FILES, script

DATASET = "custom"


@dataclass(frozen=True, slots=True)
class OwnPrompts:
    """Prompts to send, each with a mark that makes it new (cold.py)."""

    prompts: tuple[str, ...]
    requests: int
    output_tokens: int
    concurrency: tuple[int, ...]
    seed: int | None

    def written(self, python: str) -> Step:
        """Return the step that writes a file for each concurrency. ``python``: of the host."""
        return Step(
            "prompts",
            (
                *(literal(python), f"{FILES}/{COLD}", "--requests", str(self.requests)),
                *("--seeds", seeds_text(self.seed, self.concurrency), f"{FILES}/{TEAM_FILE}"),
            ),
        )

    def files(self) -> tuple[PlanFile, ...]:
        """Return the files of that step."""
        return (script(COLD), team_file(self.prompts))

    def file_at(self, concurrency: int) -> str:
        """Return the name of a written file, in the job's working folder."""
        return f"prompts-{self.requests}-at-{concurrency}.jsonl"

    def options(self, concurrency: int, folder: str) -> tuple[str, ...]:
        """Return the options of the benchmark. ``folder``: place of the file.

        The prompts are sent unchanged, because the server applies the chat template; answers are
        generated in full.
        """
        path = f"{folder}/{self.file_at(concurrency)}"
        return (
            *("--dataset-name", DATASET, "--dataset-path", path),
            *("--custom-output-len", str(self.output_tokens), "--skip-chat-template"),
            *("--disable-shuffle", "--ignore-eos"),
        )
