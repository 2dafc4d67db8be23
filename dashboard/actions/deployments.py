"""Changes of deployments, for pages and API: change, audit entry, dispatch.

The caller has checked the permission, because pages and API refuse in different ways.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.request import logged_in
from jobs.schedule import deployments, dispatch


def stop(user: AbstractBaseUser | AnonymousUser, deployment_id: int) -> bool:
    """Stop a deployment's server. False: the deployment has already ended."""
    if not deployments.stop_deployment(deployment_id, logged_in(user)):
        return False
    audit_log.record(user, "deployment.stop", f"deployment {deployment_id}")
    dispatch.run()  # a deployment that waited to start again has ended now
    return True


def restart(user: AbstractBaseUser | AnonymousUser, deployment_id: int) -> int:
    """Start the next run of a deployment's plan; return its number.

    Raises:
        jobs.schedule.deployments.NotRestartable: the server never started.
        LaunchError: dies, port, folder, host or secret are not available.
    """
    run = deployments.restart_deployment(deployment_id, logged_in(user))
    audit_log.record(user, "deployment.restart", f"deployment {deployment_id}", run=run)
    return run
