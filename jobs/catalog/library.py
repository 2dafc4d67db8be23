"""All models of the catalogue as one mapping."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from functools import cache
from pathlib import Path

from jobs.catalog import added
from jobs.catalog.loader import SHIPPED
from jobs.catalog.schema import ZooModel


class Library(Mapping[str, ZooModel]):
    """Models by id, smallest first: included ones and those of ``folder``.

    Every call reads the folder once and is consistent in itself. Use :meth:`reading` for
    consistency over several calls.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = _watched(folder) if folder else None

    def configure(self, folder: Path | None) -> None:
        """Set the ``folder`` of added models; None: no added models."""
        self._folder = _watched(folder) if folder else None

    def reading(self) -> added.Reading:
        """Return all current models and the invalid files."""
        folder = self._folder
        return folder.reading() if folder else added.Reading(SHIPPED)

    @property
    def problems(self) -> tuple[added.Problem, ...]:
        """Return the invalid files of the folder by name."""
        return self.reading().problems

    def is_added(self, model_id: str) -> bool:
        """Return True for an added model."""
        return model_id not in SHIPPED and model_id in self

    def save(self, text: str, onto: str | None = None) -> ZooModel:
        """Save a model from YAML; an existing added model is replaced.

        ``onto``: version of the file that the text is based on; None: any version.

        Raises:
            Changed: the file changed meanwhile.
            ValueError: the error in the text, in one line.
            OSError: the folder cannot be written, or none is configured.
        """
        return added.save(self._writable(), text, onto)

    def remove(self, model_id: str) -> bool:
        """Remove an added model; False: no added model of this id."""
        return added.remove(self._writable(), model_id)

    def undo(self, model_id: str) -> bool:
        """Restore the earlier version of an added model; False: no earlier version."""
        return added.undo(self._writable(), model_id)

    def is_removed(self, model_id: str) -> bool:
        """Return True if an added model was removed and undo would restore it."""
        known = model_id in SHIPPED or self._folder is None
        return not known and added.is_removed(self._writable(), model_id)

    def text_of(self, file: str) -> str | None:
        """Return the text of a file of the folder; None: unreadable."""
        return added.read_text(self._folder.path, file) if self._folder else None

    def discard(self, file: str) -> bool:
        """Delete an invalid file; False: no such file."""
        known = {problem.file for problem in self.problems}
        return file in known and added.discard(self._writable(), file)

    def _writable(self) -> Path:
        if self._folder is None:
            raise FileNotFoundError("no folder for added models is configured")
        return self._folder.path

    def __getitem__(self, model_id: str) -> ZooModel:
        return self.reading().models[model_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.reading().models)

    def __len__(self) -> int:
        return len(self.reading().models)

    def keys(self) -> KeysView[str]:
        """Return the current ids."""
        return self.reading().models.keys()

    def values(self) -> ValuesView[ZooModel]:
        """Return the current models."""
        return self.reading().models.values()

    def items(self) -> ItemsView[str, ZooModel]:
        """Return the current ids and models."""
        return self.reading().models.items()


@cache
def _watched(folder: Path) -> added.Folder:
    return added.Folder(folder)


@cache
def models(extra_folder: Path) -> Library:
    """Return the included models and those of ``extra_folder``, one mapping for all calls."""
    return Library(extra_folder)


MODELS = Library()
configure = MODELS.configure
