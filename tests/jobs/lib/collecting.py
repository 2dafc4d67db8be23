"""Jobs that collected files of a host, for tests, with real archives."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from typing import Any

from jobs.models import Job, OutputFile
from jobs.services.outputs import output_path
from jobs.tools.lib.folders import ARCHIVE, COLLECT
from tests.factories import make_host, make_job

FOLDER = "/nfs/runs/H800 结果"
HOST = "va16-01"


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return an archive as ``collect_results.py`` writes it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def make_collected(files: Mapping[str, bytes] | None, **fields: Any) -> Job:
    """Return a succeeded job that collected ``files``; None: its archive has not arrived."""
    job = make_job(
        **{
            "kind": COLLECT,
            "state": "succeeded",
            "params": {"folder": FOLDER},
            "message_id": "collect:partly",
            "message_args": {"files": len(files or {}), "size": "1 kB", "left_out": 2},
            **fields,
            "host": fields.get("host") or make_host(HOST, type="vacc"),
        }
    )
    content = packed(files or {})
    if files is not None:
        place = output_path(job.pk, ARCHIVE)
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    OutputFile.objects.create(
        job=job,
        name="archive",
        path=ARCHIVE,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        received_bytes=0 if files is None else len(content),
    )
    return job
