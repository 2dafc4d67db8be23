"""The gate of other hosts: what counts as one address, and connections that say nothing."""

import asyncio
from types import SimpleNamespace

import pytest

from dashboard.server import valkey_gate
from dashboard.server.valkey_gate import Gate


class Writer:
    """The end of a client at ``address``."""

    def __init__(self, address):
        self.ends = []
        self.transport = SimpleNamespace(abort=lambda: self.ends.append("abort"))
        self._address = address

    def get_extra_info(self, _name):
        return self._address, 1234

    def close(self):
        self.ends.append("close")


async def entered(gate, address):
    """A connection that stays open and says nothing."""
    writer = Writer(address)
    task = asyncio.create_task(gate.enter(asyncio.StreamReader(), writer))
    await asyncio.sleep(0)
    return writer, task


@pytest.mark.parametrize(
    ("addresses", "refused"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"], [False, True, False]),
        (["::ffff:192.0.2.1", "::ffff:192.0.2.2", "::ffff:192.0.2.1"], [False, False, True]),
        (["192.0.2.1", "192.0.2.2", "192.0.2.1"], [False, False, True]),
        (["fe80::1%2", "fe80::2%2"], [False, True]),
    ],
)
def test_a_network_of_ipv6_is_one_address(monkeypatch, tmp_path, addresses, refused):
    monkeypatch.setattr(valkey_gate, "MOST_OF_ADDRESS", 1)

    async def scenario():
        gate = Gate(str(tmp_path / "none"), 10)
        come = [await entered(gate, address) for address in addresses]
        found = [task.done() for _writer, task in come]
        for _writer, task in come:
            task.cancel()
        return found

    assert asyncio.run(scenario()) == refused


def test_a_connection_that_says_nothing_is_closed_and_leaves_its_place(monkeypatch, tmp_path):
    monkeypatch.setattr(valkey_gate, "FIRST_S", 0.02)
    monkeypatch.setattr(valkey_gate, "MOST_OF_ADDRESS", 1)

    async def scenario():
        gate = Gate(str(tmp_path / "none"), 1)
        first, task = await entered(gate, "192.0.2.1")
        await task
        _second, later = await entered(gate, "192.0.2.1")
        is_let_in = not later.done()
        later.cancel()
        return first.ends, is_let_in

    assert asyncio.run(scenario()) == (["abort"], True)
