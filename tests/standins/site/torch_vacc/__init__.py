"""The vendor's torch back end, of which only the name is here."""

__version__ = "1.3.0.1109+simulated"
