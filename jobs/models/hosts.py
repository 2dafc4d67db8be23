"""Hosts: machines with an agent."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now

USER = settings.AUTH_USER_MODEL


class Host(models.Model):
    """A machine that runs jobs. ``facts``: what its probe reported (``jobs.host.probe``). That it
    is *away* is computed when asked for and never stored."""

    class Type(models.TextChoices):
        VACC = "vacc"
        THIS_COMPUTER = "this-computer"
        SIMULATED = "simulated"

    PROTOCOL: ClassVar = 2  # that this dashboard speaks, as ``jobs.host.base.client`` does

    name = models.SlugField(max_length=63, unique=True)  # also its queue: host.<name>
    type = models.CharField(max_length=16, choices=Type, default=Type.VACC)
    key_sha256 = models.CharField(max_length=64)
    # Password of its Valkey user; "": it has none, and works without hints.
    valkey_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=now)
    slots = models.PositiveSmallIntegerField(default=1)  # jobs that may run at once
    draining = models.BooleanField(default=False)
    # True: only ``launchers`` and administrators may launch here (jobs.schedule.launch_rights).
    is_restricted = models.BooleanField(default=False)
    launchers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", blank=True)
    # What the agent reports:
    facts = models.JSONField(default=dict)
    facts_at = models.DateTimeField(null=True)
    dies_seen = models.JSONField(default=list)  # ids of all dies that it ever reported, in order
    # {"load_1m", "memory_free_bytes", "disk_free_bytes"}; of a VACC host also "dies" and "unread",
    # see jobs.host.probe
    load = models.JSONField(default=dict)
    heartbeat_at = models.DateTimeField(null=True)
    boot_id = models.CharField(max_length=64, blank=True)
    agent_started_at = models.DateTimeField(null=True)
    protocol = models.PositiveSmallIntegerField(default=0)
    clock_skew_s = models.FloatField(default=0.0)  # the host's clock minus ours
    # Messages that were refused, newest first: [{"at", "about", "problem"}]
    refusals = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_simulated(self) -> bool:
        return self.type == self.Type.SIMULATED

    @property
    def is_on_this_machine(self) -> bool:
        """True where its servers run on the dashboard's machine, so that loopback reaches them."""
        return self.type in (self.Type.THIS_COMPUTER, self.Type.SIMULATED)

    @property
    def is_outdated(self) -> bool:
        """True when it spoke an earlier protocol last: it must be upgraded to get new jobs."""
        return 0 < self.protocol < self.PROTOCOL
