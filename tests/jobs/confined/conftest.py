"""Confined tasks run in workers here."""

import pytest


@pytest.fixture(autouse=True)
def confined_here():
    """Leave the pool as it is."""
