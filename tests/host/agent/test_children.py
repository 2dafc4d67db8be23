"""Processes of a host."""

from dataclasses import replace

from jobs.host.agent.worker import children


def names(config):
    return [child.name for child in children(config)]


def test_a_host_with_redis_has_an_agent_and_a_worker(config):
    assert names(config) == [f"the agent of {config.name}", f"the worker of {config.name}"]


def test_a_host_without_redis_has_an_agent_alone(config):
    assert names(replace(config, redis_url="")) == [f"the agent of {config.name}"]
