"""Settings of the web server."""

from dashboard.server.web import config
from jobs.host.agent.agent import HEARTBEAT_S


def test_a_host_s_connection_outlives_late_heartbeats():
    assert config().timeout_keep_alive > 10 * HEARTBEAT_S
