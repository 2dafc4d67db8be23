"""Queued turns of the administrator's chat: ``{"chat", "turns": [numbers]}``.

Order: ``{"engine": its address, "requests": [the body of each]}``.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User

from jobs.models import Conversation, Deployment, Host, Job, Turn
from tests.bench.inside import serve
from tests.factories import make_deployment, make_host, make_job


def make(*, engine: str, requests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One conversation with a deployment whose host is not there."""
    host = Host.objects.filter(name="elsewhere").first() or make_host("elsewhere", draining=True)
    deployment = Deployment.objects.filter(dashboard_url=engine).first() or make_deployment(
        job=make_job(host=host, state=Job.State.SUCCEEDED), dashboard_url=engine
    )
    admin = User.objects.get(username="admin")
    chat = Conversation.objects.create(user=admin, deployment=deployment)
    turns = Turn.objects.bulk_create(
        Turn(conversation=chat, deployment=deployment, index=index, prompt="?", request=request)
        for index, request in enumerate(requests)
    )
    return {"chat": chat.pk, "turns": [turn.pk for turn in turns]}


if __name__ == "__main__":
    serve(make)
