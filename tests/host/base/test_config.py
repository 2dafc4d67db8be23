"""Settings of a host: a wrong one is a sentence that names it."""

import pytest

from jobs.host.base.config import ConfigError, HostLimits, load


@pytest.fixture
def values(tmp_path):
    return {
        "HOST_NAME": "rack-1",
        "DASHBOARD_URL": "http://10.0.0.5:8000/lab/",
        "REDIS_URL": "redis://10.0.0.5:6379/0",
        "HOST_KEY": "k",
        "HOST_DIR": str(tmp_path / "new" / "host"),
    }


def test_settings_reach_a_child_process_unchanged(values, tmp_path):
    config = load(
        values
        | {
            "HOST_WORKSPACE": str(tmp_path / "nfs"),
            "HOST_MOUNT": "/weights/",
            "HOST_REGISTRY": "registry.lan:5000",
            "HOST_MODIFICATION_DIR": str(tmp_path),
            "HOST_ROOT": str(tmp_path),
            "HOST_SCALE": "1e-05",
            "HOST_LOG_LIMIT": "2.5G",
            "HOST_DISK_RESERVE": "0",
            "HOST_SERVER_LOG_KEEP": "500M",
            "HOST_KEEP_SPOOLS": "12h",
            "HOST_KEEP_SPOOLS_WITHIN": "1t",
            "AGENT_ALLOWED_PROGRAMS": "default, nvcc",
            "AGENT_ALLOWED_PATHS": "default:/data/models",
        }
    )

    assert load(config.as_environment()) == config
    assert config.dashboard_url == "http://10.0.0.5:8000/lab"
    assert config.dir.is_dir()
    assert config.allowed_programs == ("default", "nvcc")
    assert config.allowed_paths == ("default", "/data/models")
    assert config.limits == HostLimits(
        log_bytes=2_500_000_000,
        disk_reserve_bytes=0,
        server_log_bytes=500_000_000,
        spools_s=43_200,
        spools_bytes=10**12,
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HOST_NAME", "", "HOST_NAME is not set"),
        ("HOST_NAME", "Rack 1", "small letters, digits and hyphens"),
        ("DASHBOARD_URL", "10.0.0.5:8000", "http://HOST:PORT"),
        ("DASHBOARD_URL", "http://x:port", "http://HOST:PORT"),
        ("REDIS_URL", "amqp://x", "redis://"),
        ("REDIS_URL", "redis://", "redis://10.0.0.5:6379/0"),
        ("REDIS_URL", "redis://u:secret@h:port/0", "REDIS_URL is 'redis://…@h:port/0': an address"),
        ("HOST_KEY", " ", "HOST_KEY is not set"),
        ("HOST_DIR", "/proc/no", "HOST_DIR is '/proc/no'"),
        ("WHEELS_DIR", "/nowhere", "WHEELS_DIR is '/nowhere', which is no folder"),
        ("HOST_LOG_LIMIT", "much", "HOST_LOG_LIMIT is 'much': a size such as 500M, 20G or 1T"),
        ("HOST_DISK_RESERVE", "-1G", "and 0 for no limit"),
        ("HOST_KEEP_SPOOLS", "7 weeks", "a length of time such as 12h or 7d is allowed"),
        ("HOST_PORTS", "80-90", "between 1024 and 65535"),
        ("HOST_WORKSPACE", "/proc/no", "HOST_WORKSPACE is '/proc/no'"),
        ("HOST_MOUNT", "test", "an absolute path such as /test"),
        ("HOST_MOUNT", "/a:b", "an absolute path such as /test"),
        ("HOST_REGISTRY", "http://x/y", "a host name with or without a port"),
        ("HOST_MODIFICATION_DIR", "/nowhere", "which is no folder"),
        ("HOST_ROOT", "/nowhere", "which is no folder"),
        ("HOST_SCALE", "2", "above 0 and up to 1"),
        ("HOST_SCALE", "small", "above 0 and up to 1"),
        ("HOST_PORTS", "9000", "FIRST-LAST"),
        ("AGENT_ALLOWED_PROGRAMS", "/bin/sh", "names of programs without a folder"),
        ("AGENT_ALLOWED_PROGRAMS", "a;b", "names of programs"),
        ("AGENT_ALLOWED_PATHS", "/", "but not /"),
        ("AGENT_ALLOWED_PATHS", "weights", "absolute folders"),
    ],
)
def test_a_wrong_value_names_the_variable(values, name, value, message):
    with pytest.raises(ConfigError, match=message):
        load({**values, name: value})


def test_a_file_has_the_last_word_and_may_quote(values, tmp_path):
    file = tmp_path / "host.env"
    file.write_text("# host\n\nexport HOST_NAME='other'\nHOST_KEY=\"a b\"\n")

    config = load(values, file=file)

    assert (config.name, config.key) == ("other", "a b")


@pytest.mark.parametrize("line", ["no equals", "1X=2", "X='open"])
def test_a_line_that_is_none_or_a_missing_file_is_named(values, tmp_path, line):
    file = tmp_path / "host.env"
    with pytest.raises(ConfigError, match=f"{file} cannot be read"):
        load(values, file=file)
    file.write_text(f"HOST_NAME=a\n{line}\n")

    with pytest.raises(ConfigError, match=f"line 2 of {file}"):
        load(values, file=file)
