from django.db import migrations

# As vLLM 0.7.2 has it, and as those have it that count.
GAUGE = "vllm:gpu_prefix_cache_hit_rate"
HITS, SINCE_START = "engine_prefix_hits", "engine_prefix_hits_since_start"
MOST = 0.01


def tell(apps, schema_editor):
    """A share since the server's start stood at points of its own: it is the result's, by its name.

    The points that were scraped tell which results these are. Of those whose points were removed
    nobody knows; they stay.
    """
    results = apps.get_model("jobs", "Result").objects
    blocks = apps.get_model("jobs", "PointBlock").objects.filter(watch="engine")
    last = 0
    rows = results.filter(sort="benchmark", metrics__has_key=HITS).order_by("pk")
    while part := list(rows.filter(pk__gt=last)[:200]):
        for result in part:
            if gauge := _gauge(blocks.filter(job=result.job_id)):
                _move(result, gauge)
        last = part[-1].pk


def _gauge(blocks):
    """Its values, oldest first; none of an engine that counts hits."""
    found = []
    for rows in blocks.order_by("offset", "id").values_list("rows", flat=True).iterator():
        for _at, values in rows:
            if any("prefix_cache_hits" in name for name in values):
                return []
            if GAUGE in values:
                found.append(values[GAUGE])
    return found


def _move(result, gauge):
    if result.metrics[HITS] not in gauge:  # the tool's own
        return
    for point in result.points.all():
        if point.metrics.pop(HITS, None) is not None:
            point.save(update_fields=["metrics"])
    del result.metrics[HITS]
    result.metrics[SINCE_START] = gauge[-1]
    result.remarks = [one for one in result.remarks if not _is_of_hits(one)]
    if gauge[-1] > MOST:
        args = {"share": f"{100 * gauge[-1]:.1f}"}
        result.remarks.append({"id": "benchmark:hits_since_start", "args": args})
    result.save(update_fields=["metrics", "remarks"])


def _is_of_hits(remark):
    return str(remark.get("id", "")).startswith("benchmark:hits")


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0022_turn_deployments'),
    ]

    operations = [
        migrations.RunPython(tell, migrations.RunPython.noop),
    ]
