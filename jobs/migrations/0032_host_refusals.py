"""Refused messages of a host; and what hosts sent before it was checked, without wrong parts."""

from django.db import migrations, models

AT_ONCE = 500
DIES_MAX = 1024
FACTS = {
    **dict.fromkeys(("cpu", "disk", "python", "roots"), dict),
    **dict.fromkeys(("dies", "images", "stacks", "tools"), list),
    **dict.fromkeys(("address", "arch", "compiler", "conda", "driver", "kernel"), str),
    **dict.fromkeys(("modification_dir", "mount", "os", "registry", "wheels_dir", "workspace"), str),
    "iommu": bool,
    "memory_bytes": int,
}


def is_die(value):
    return isinstance(value, dict) and isinstance(value.get("id"), int)


def repaired_facts(facts):
    """The parts that have their type. Wrong dies are left out, and those beyond the bound."""
    if not isinstance(facts, dict):
        return {}
    good = {
        name: value
        for name, value in facts.items()
        if value is None or isinstance(value, FACTS.get(name, object))
    }
    if "dies" in good:
        good["dies"] = [die for die in good["dies"] or () if is_die(die)][:DIES_MAX]
    return good


def repair_hosts(apps):
    for host in apps.get_model("jobs", "Host").objects.all():
        host.facts = repaired_facts(host.facts)
        host.load = host.load if isinstance(host.load, dict) else {}
        seen = host.dies_seen if isinstance(host.dies_seen, list) else []
        host.dies_seen = [str(die)[:64] for die in seen][:DIES_MAX]
        host.save(update_fields=["facts", "load", "dies_seen"])


def repair_arguments(apps):
    """Arguments of a message are a mapping; what is none is kept under the name "problem"."""
    for name in ("Job", "Deployment", "DeploymentEvent"):
        rows = apps.get_model("jobs", name).objects
        for pk, args in rows.values_list("pk", "message_args").iterator(chunk_size=AT_ONCE):
            if not isinstance(args, dict):
                rows.filter(pk=pk).update(message_args={"problem": str(args)[:500]})


def forwards(apps, schema_editor):
    repair_hosts(apps)
    repair_arguments(apps)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0031_host_names")]

    operations = [
        migrations.AddField("host", "refusals", models.JSONField(default=list)),
        migrations.AddField("job", "points_refused", models.BooleanField(default=False)),
        migrations.RunPython(forwards, migrations.RunPython.noop),
    ]
