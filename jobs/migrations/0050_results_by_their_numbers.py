"""Results by their numbers, "res-15", in params of jobs, in remarks, and in the audit log.

The baseline of an early stop was the number of its job, a subject of the audit log the id of a
result or of an import. The remark on an undecided early stop gets its name of today, too.
"""

from django.db import migrations
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr

MARK = "res-"  # frozen: a later version may write numbers in another way
LOOK = "evaluate:look_"
UNDECIDED = ("evaluate:look_unknown", "evaluate:look_cannot_tell")


def rename_baselines(apps, numbers):
    """Rename baselines in jobs that stop early, and in the remarks of their results."""
    jobs = apps.get_model("jobs", "Job").objects.filter(params__has_key="baseline")
    for job in jobs.order_by("pk").only("params"):
        if new := numbers.get(job.params["baseline"]):
            job.params = {**job.params, "baseline": new}
            job.save(update_fields=["params"])
            rename_remarks(apps, job.pk, numbers)


def rename_remarks(apps, job, numbers):
    for result in apps.get_model("jobs", "Result").objects.filter(job=job).only("remarks"):
        for remark in result.remarks:
            if remark["id"].startswith(LOOK):
                old = str(remark["args"]["baseline"])
                remark["args"]["baseline"] = numbers.get(old, old)
        result.save(update_fields=["remarks"])


def rename_undecided(apps, old, new):
    for result in apps.get_model("jobs", "Result").objects.filter(remarks__icontains=old):
        for remark in result.remarks:
            if remark["id"] == old:
                remark["id"] = new
        result.save(update_fields=["remarks"])


def of_jobs(apps):
    """Return (job, result) of every result that a job made."""
    results = apps.get_model("jobs", "Result").objects.exclude(job=None).order_by()
    return results.values_list("job_id", "pk")


def forwards(apps, schema_editor):
    rename_baselines(apps, {str(job): f"{MARK}{pk}" for job, pk in of_jobs(apps)})
    rename_undecided(apps, *UNDECIDED)
    entries = apps.get_model("jobs", "AuditEntry").objects
    named = entries.filter(subject__startswith="result ").exclude(
        subject__startswith=f"result {MARK}"
    )
    named.update(subject=Concat(Value(f"result {MARK}"), Substr(F("subject"), len("result ") + 1)))
    imports = apps.get_model("jobs", "Result").objects.exclude(imported=None).order_by()
    for imported, pk in imports.values_list("imported_id", "pk"):
        entries.filter(subject=f"import {imported}").update(subject=f"result {MARK}{pk}")


def backwards(apps, schema_editor):
    rename_baselines(apps, {f"{MARK}{pk}": str(job) for job, pk in of_jobs(apps)})
    rename_undecided(apps, *reversed(UNDECIDED))
    entries = apps.get_model("jobs", "AuditEntry").objects
    named = entries.filter(subject__startswith=f"result {MARK}")
    start = len(f"result {MARK}") + 1
    named.update(subject=Concat(Value("result "), Substr(F("subject"), start)))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0049_endpoint_thinking_switch")]

    operations = [migrations.RunPython(forwards, backwards)]
