"""Claims: a host takes a job, or a restart of a server."""

from __future__ import annotations

from jobs.protocol.base import HostModel, Id, Text64


class ClaimJob(HostModel):
    """``claim_id``: the host's own nonce; the same one claims the same job again."""

    claim_id: Text64 = ""


class ClaimRun(HostModel):
    """``run``: the number of the server's run."""

    run: Id
