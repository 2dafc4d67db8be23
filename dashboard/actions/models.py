"""Changes of the team's models: files of the catalogue."""

from typing import Any

from dashboard.actions.action import Done, action
from jobs.catalog import MODELS, ZooModel


@action("model.change")
def save(user: Any, text: str, version: str | None, *, is_new: bool) -> Done[ZooModel]:
    """Write a model's YAML. ``version`` and errors: ``Library.save``."""
    model = MODELS.save(text, version)
    return Done(model, f"model {model.id}", did="add" if is_new else "change")


@action("model.change")
def delete(user: Any, model_id: str) -> Done[bool]:
    """Delete an added model, which can be restored. False: no added model of this ID."""
    return Done(MODELS.remove(model_id), f"model {model_id}", did="delete")


@action("model.change")
def undo(user: Any, model_id: str) -> Done[bool]:
    """Restore a model as before its last change. False: nothing is known of it."""
    return Done(MODELS.undo(model_id), f"model {model_id}", did="undo")


@action("model.change")
def discard(user: Any, file: str) -> Done[bool]:
    """Delete a file that is no model. False: no such file."""
    return Done(MODELS.discard(file), f"file {file}", did="discard")
