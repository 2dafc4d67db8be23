from typing import Any

from django.db import migrations, models
from django.utils.timezone import now


def _set(apps: Any, field: str) -> None:
    imports = apps.get_model("jobs", "Import").objects.filter(measured_at__lte=now())
    own = imports.filter(pk=models.OuterRef("imported"))
    rows = apps.get_model("jobs", "Result").objects.filter(imported__in=imports.values("pk"))
    rows.update(created_at=models.Subquery(own.values(field)[:1]))


def to_measured(apps: Any, _schema: Any) -> None:
    _set(apps, "measured_at")


def to_imported(apps: Any, _schema: Any) -> None:
    _set(apps, "created_at")


class Migration(migrations.Migration):
    """The time of a result is that of its measurement, also of earlier imports."""

    dependencies = [("jobs", "0006_faster_lists")]

    operations = [migrations.RunPython(to_measured, to_imported)]
