"""Listen addresses of servers, refused at their field."""

import pytest

from jobs.base.errors import LaunchError
from jobs.kinds.lib import ports


@pytest.mark.parametrize("address", ["", "127.0.0.1", "0.0.0.0", "::", "10.0.0.7", "fd00::7"])
def test_an_address_in_the_network_is_allowed(address):
    ports.refuse_address(address)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("999.1.1.1", "Enter an IP address"),
        ("::::", "Enter an IP address"),
        ("127.0.0.2", "Enter an address of the host in its network"),
        ("::1", "Enter an address of the host in its network"),
        ("169.254.169.254", "Enter an address of the host in its network"),
        ("ff02::1", "Enter an address of the host in its network"),
    ],
)
def test_other_addresses_are_refused_at_their_field(address, reason):
    with pytest.raises(LaunchError, match=reason) as refused:
        ports.refuse_address(address)

    assert refused.value.field == "bind"
