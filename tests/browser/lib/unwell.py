"""Hosts that are not well and a secret: for pages that a dashboard at its ease does not show."""

from __future__ import annotations

from datetime import timedelta

HOST, AWAY, SECRET = "va16-09", "va16-08", "HF_TOKEN"
DIES = 32


def source() -> int:
    """The number of a permitted source with a long address; made if it is not there."""
    from jobs.models import Source  # noqa: PLC0415 -- runs in manage.py shell, with Django

    note = {"note": "Patches of the team until the vendor's next release"}
    address = "https://git.example.com/accelerators/vastai/vllm-with-our-patches-for-deepseek"
    return Source.objects.get_or_create(type="git", address=address, defaults=note)[0].pk


def endpoint() -> int:
    """The number of an endpoint with long values that does not answer; made if it is not there."""
    from jobs.models import Endpoint, Source  # noqa: PLC0415 -- runs in manage.py shell, with Django

    url = "http://127.0.0.1:9/a-gateway-with-a-long-path/of-several-segments"
    Source.objects.get_or_create(type="endpoint", address=url)
    values = {
        "url": url,
        "model": "deepseek-ai/DeepSeek-R1-0528-with-a-long-suffix-of-the-quantization",
        "device": "8 × H800 in the rack of the other team",
        "check_id": "endpoint:silent",
        "check_args": {"url": url, "problem": "Connection refused"},
    }
    name = "H800-of-the-other-team-with-the-newest-vLLM"
    return Endpoint.objects.get_or_create(name=name, defaults=values)[0].pk


def make() -> None:
    """Make them, in the dashboard that this runs beside; again, if they are there."""
    from django.utils.timezone import now  # noqa: PLC0415 -- runs in manage.py shell, with Django

    from jobs.models import Host  # noqa: PLC0415
    from tests.factories import keep_secret, make_job  # noqa: PLC0415

    keep_secret(SECRET, "hf_0123456789")
    source()
    endpoint()
    there = [{"id": number} for number in range(DIES) if number != 22]
    host, is_new = Host.objects.update_or_create(
        name=HOST,
        defaults={
            "type": Host.Type.VACC,
            "key_sha256": "0" * 64,
            # No agent sends heartbeats for it: it must stay online until the tests are over.
            "heartbeat_at": now() + timedelta(hours=2),
            "facts_at": now(),
            "facts": {"dies": there, "iommu": True, "stacks": ["guide"], "images": ["a:b"]},
            "dies_seen": [str(number) for number in range(DIES)],
            "load": {"dies": {"13": {"temp_c": 91.2}}, "unread": {"getpwr": "garbage"}},
        },
    )
    if is_new:
        make_job(host=host, state="running", started_at=now(), values={"dies": "0,1,2,3"})
        make_job(host=host)
    silent = {"type": Host.Type.VACC, "heartbeat_at": now() - timedelta(hours=1)}
    host, is_new = Host.objects.update_or_create(name=AWAY, defaults=silent)
    if is_new:
        make_job(host=host, state="running", started_at=now())
