"""A model of the team: its YAML, and its file."""

from pathlib import Path

import yaml
from django.conf import settings

from jobs.catalog import MODELS, SHIPPED

OURS, LIKE = "ours-of-the-team", "deepseek-r1-distill-qwen-7b"


def models_folder():
    return Path(settings.DATA_DIR) / "catalog" / "models"


def text_of(**changes):
    """The YAML of an included model under another name."""
    data = SHIPPED[LIKE].model_dump(mode="json", exclude_defaults=True)
    data["source"] = {"sort": "hub", **data["source"]}
    return yaml.safe_dump({**data, "id": OURS, "name": "Ours", **changes})


def added_model():
    """The id of a model of the team that was changed once; made if it is not there."""
    for name in ("Before", "Ours"):
        MODELS.save(text_of(name=name))
    return OURS


def broken_file():
    """The name of a file that is no valid model."""
    (models_folder() / "broken.yaml").write_text("id: broken\n")
    return "broken.yaml"
