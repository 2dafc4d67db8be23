"""Which repositories the made-up hubs have."""

from dataclasses import dataclass

from simulator.lib import models, world
from simulator.lib.hub import datasets, files
from simulator.lib.hub.files import RepoFile


@dataclass(frozen=True)
class Repo:
    """A repository. ``gated``: its files are for those who have a token."""

    id: str
    files: tuple[RepoFile, ...]
    gated: bool


def find(repo: str, *, dataset: bool = False) -> Repo | None:
    """The repository of that id; None: the hub has none."""
    gated = world.fault("gated_repo")
    if dataset:
        listed = datasets.repositories().get(repo)
        return Repo(repo, listed, gated) if listed else None
    model = models.find(repo)
    return Repo(model.id, files.of_model(model.id), gated or model.gated) if model else None
