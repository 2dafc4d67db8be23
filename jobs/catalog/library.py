"""The catalogue's models as one mapping, whoever added them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from functools import cache
from pathlib import Path

from jobs.catalog import added
from jobs.catalog.loader import SHIPPED
from jobs.catalog.schema import ZooModel


class Library(Mapping[str, ZooModel]):
    """Models by id, the smallest first: those that ship, and those of ``folder``.

    Every call looks at the folder once, so that what one call gives fits together. Ask
    :meth:`reading` for what must fit together over several.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = _watched(folder) if folder else None

    def configure(self, folder: Path | None) -> None:
        """Take the added models from ``folder`` from now on; None: have none."""
        self._folder = _watched(folder) if folder else None

    def reading(self) -> added.Reading:
        """All models of this moment, and the files that give none."""
        folder = self._folder
        return folder.reading() if folder else added.Reading(SHIPPED)

    @property
    def problems(self) -> tuple[added.Problem, ...]:
        """Files of the folder that give no model, by name."""
        return self.reading().problems

    def is_added(self, model_id: str) -> bool:
        """Whether a model is one of the folder's."""
        return model_id not in SHIPPED and model_id in self

    def save(self, text: str, onto: str | None = None) -> ZooModel:
        """Keep a model that a person wrote as YAML; one of the folder's own is replaced.

        ``onto``: the version of the file that the text was made from; None: whatever is there.

        Raises:
            Changed: the file is another one by now.
            ValueError: what is wrong with the text, in one line.
            OSError: the folder cannot be written, or none is configured.
        """
        return added.save(self._writable(), text, onto)

    def remove(self, model_id: str) -> bool:
        """Take an added model out; False: the folder has none of that id."""
        return added.remove(self._writable(), model_id)

    def undo(self, model_id: str) -> bool:
        """Put back what a model of the folder was before; False: nothing is known of it."""
        return added.undo(self._writable(), model_id)

    def is_removed(self, model_id: str) -> bool:
        """Whether a model of the folder was taken out, and undo would put it back."""
        known = model_id in SHIPPED or self._folder is None
        return not known and added.is_removed(self._writable(), model_id)

    def text_of(self, file: str) -> str | None:
        """What a file of the folder holds; None: it cannot be read."""
        return added.read_text(self._folder.path, file) if self._folder else None

    def discard(self, file: str) -> bool:
        """Delete a file that gives no model; False: there is no such problem."""
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
        """Ids of one moment."""
        return self.reading().models.keys()

    def values(self) -> ValuesView[ZooModel]:
        """Models of one moment."""
        return self.reading().models.values()

    def items(self) -> ItemsView[str, ZooModel]:
        """Ids and models of one moment."""
        return self.reading().models.items()


@cache
def _watched(folder: Path) -> added.Folder:
    return added.Folder(folder)


@cache
def models(extra_folder: Path) -> Library:
    """The models that ship and those of ``extra_folder``, the same mapping at each call."""
    return Library(extra_folder)


MODELS = Library()
configure = MODELS.configure
