"""Client of the VACC dashboard: a typed class, and the command ``vacc``. Statistics and verdicts
are the dashboard's; the client repeats none."""

from vacc_client.dashboard import Dashboard
from vacc_client.errors import ClientError, DamagedFile, Refused, Unreachable

__all__ = ["ClientError", "DamagedFile", "Dashboard", "Refused", "Unreachable"]
