"""Records and actions missing in the API: a process with Django, JSON in and out.

Each line in is ``[name, {arguments}]``, each line out ``{"answer": …}`` or ``{"error": …}``.
"""

import json
import os
import sys
from dataclasses import replace
from typing import Any

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    django.setup()
    from django.db import connection  # noqa: PLC0415 -- needs Django set up

    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            reply = {"answer": ASKED[name](**arguments)}
        except Exception as error:  # returned to the caller
            reply = {"error": repr(error)}
        connection.close()  # the database may be another one the next time
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def launch(host: str, kind: str, params: dict[str, Any], command: list[str]) -> int:
    """Launch a job of a real kind with one more step, which runs in its middle."""
    from jobs.kinds import KINDS  # noqa: PLC0415 -- needs Django set up
    from jobs.launch import launch as launching  # noqa: PLC0415 -- needs Django set up
    from jobs.models import Host  # noqa: PLC0415 -- needs Django set up
    from jobs.plans import Step, literal  # noqa: PLC0415 -- needs Django set up
    from jobs.schedule import dispatch  # noqa: PLC0415 -- needs Django set up

    module = KINDS[kind]
    plan = module.plan

    def with_flood(*arguments: Any) -> Any:
        made = plan(*arguments)
        at = _middle(made.steps)
        step = Step("flood", tuple(map(literal, command)))
        return replace(made, steps=(*made.steps[:at], step, *made.steps[at:]))

    module.plan = with_flood  # type: ignore[method-assign]
    try:
        job = launching.launch(kind, params, host=Host.objects.get(name=host), user=None)
    finally:
        module.plan = plan  # type: ignore[method-assign]
    dispatch.run()
    return int(job.pk)


def _middle(steps: Any) -> int:
    """After the last step that serves, else after the one that makes the container, else first."""
    for marked in (lambda step: step.serves, lambda step: step.cleanup):
        indexes = [index for index, step in enumerate(steps) if marked(step)]
        if indexes:
            return indexes[-1] + 1
    return 0


def pipeline(host: str, pipeline: str, model: str, without: list[str]) -> list[int]:
    """Launch a pipeline without the jobs named in ``without``; return the jobs' numbers."""
    from jobs.launch.pipelines import PIPELINES, launch_pipeline  # noqa: PLC0415 -- needs Django
    from jobs.models import Host  # noqa: PLC0415 -- needs Django set up

    whole = PIPELINES[pipeline]
    chosen = lambda *about: [job for job in whole.jobs(*about) if job.name not in without]  # noqa: E731
    PIPELINES[pipeline] = replace(whole, jobs=chosen)
    try:
        jobs = launch_pipeline(
            pipeline, model, host=Host.objects.get(name=host), stack="guide", user=None
        )
    finally:
        PIPELINES[pipeline] = whole
    return [job.pk for job in jobs]


def host_state(host: str) -> dict[str, Any]:
    """Free dies of a host, and true if it is offline."""
    from jobs.models import Host  # noqa: PLC0415 -- needs Django set up
    from jobs.queries.hosts import free_dies, is_away  # noqa: PLC0415 -- needs Django set up

    row = Host.objects.get(name=host)
    return {"free": sorted(free_dies(row)), "away": is_away(row)}


def asset(table: str, like: str) -> str:
    """Key of an asset whose text has ``like``, as Params hold it."""
    from jobs import models  # noqa: PLC0415 -- needs Django set up

    rows = getattr(models, table).objects.order_by("pk")
    return str(next(row.pk for row in rows if like in repr(vars(row))))


def session() -> str:
    from django.conf import settings  # noqa: PLC0415 -- needs Django set up
    from django.contrib.auth import get_user_model, login  # noqa: PLC0415 -- needs Django set up
    from django.contrib.sessions.backends.db import SessionStore  # noqa: PLC0415 -- needs Django set up
    from django.http import HttpRequest  # noqa: PLC0415 -- needs Django set up

    request = HttpRequest()
    request.session = SessionStore()
    user = get_user_model().objects.get(username="admin")
    login(request, user)
    request.session.save()
    return f"{settings.SESSION_COOKIE_NAME}={request.session.session_key}"


ASKED = {f.__name__: f for f in (launch, pipeline, host_state, asset, session)}


if __name__ == "__main__":
    main()
