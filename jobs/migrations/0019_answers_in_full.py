from hashlib import sha256

from django.db import migrations, models

CHUNK = 500


def fill(apps, schema_editor):
    """What old rows tell: the question's id and what was taken stood in the details, the thought
    before the answer. Why an answer ended was not kept.
    """
    answers = apps.get_model("jobs", "Answer").objects
    result, seen, changed = None, {}, []
    for row in answers.order_by("result_id", "index").iterator(CHUNK):
        if row.result_id != result:
            result, seen = row.result_id, {}
        detail = dict(row.detail) if isinstance(row.detail, dict) else {}
        row.extracted = str(detail.pop("extracted", None) or "")
        row.question_id = str(detail.get("id") or "")[:120]
        row.reasoning, row.answer = split(row.answer)
        row.detail = detail
        same = row.question_id or sha256(row.question.encode()).hexdigest()[:32]
        times = seen[row.subset, same] = seen.get((row.subset, same), 0) + 1
        if times > 1:
            row.question_id = f"{same}~{times}"
        changed.append(row)
        if len(changed) == CHUNK:
            save(answers, changed)
            changed = []
    save(answers, changed)


def save(answers, rows):
    answers.bulk_update(rows, ["extracted", "question_id", "reasoning", "answer", "detail"])


def split(text):
    before, close, after = text.partition("</think>")
    if close:
        return before.strip().removeprefix("<think>").strip(), after.strip()
    if text.lstrip().startswith("<think>"):
        return text.lstrip().removeprefix("<think>").strip(), ""
    return "", text


def put_back(apps, schema_editor):
    """The thought and what was taken, where they stood before."""
    answers, changed = apps.get_model("jobs", "Answer").objects, []
    for row in answers.iterator(CHUNK):
        row.detail = {**row.detail, "extracted": row.extracted}
        if row.reasoning:
            row.answer = f"<think>\n{row.reasoning}\n</think>\n\n{row.answer}"
        changed.append(row)
        if len(changed) == CHUNK:
            answers.bulk_update(changed, ["answer", "detail"])
            changed = []
    answers.bulk_update(changed, ["answer", "detail"])


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0018_asked'),
    ]

    operations = [
        migrations.AddField('answer', 'question_id', models.CharField(default='', max_length=128)),
        migrations.AddField('answer', 'sample', models.PositiveIntegerField(default=0)),
        migrations.AddField('answer', 'extracted', models.TextField(default='')),
        migrations.AddField('answer', 'reasoning', models.TextField(default='')),
        migrations.AddField('answer', 'finish', models.CharField(default='', max_length=32)),
        migrations.AddField('answer', 'status', models.CharField(default='', max_length=32)),
        migrations.RunPython(fill, put_back),
    ]
