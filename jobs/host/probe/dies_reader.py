"""Power and temperature of a job's dies from ``vasmi``."""

from __future__ import annotations

from jobs.host.probe import vasmi
from jobs.tools.lib.counts import Expected


class DiesReader:
    """``numbers`` are those of the dies, between commas. No point without output of ``vasmi``."""

    IS_STEADY = True
    READS_AT_END = False  # vasmi may take ten seconds

    def __init__(self, numbers: str, _expected: Expected) -> None:
        self._numbers = [number for number in numbers.split(",") if number.isdecimal()]

    def read(self) -> dict[str, dict[str, float]]:
        """The power of all together in W, the temperature of the hottest in °C."""
        dies = vasmi.read_dies(self._numbers).get("dies", {}).values()
        watts = [die["power_w"] for die in dies if "power_w" in die]
        degrees = [die["temp_c"] for die in dies if "temp_c" in die]
        values = {
            **({"power_w": round(sum(watts), 1)} if watts else {}),
            **({"temp_c": max(degrees)} if degrees else {}),
        }
        return {"": values} if values else {}
