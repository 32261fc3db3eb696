"""`Metrics`: the server's gauges, read when they are asked for.

Names are Vault's (`vault.core.unsealed`). Counting leases reads the names of all of them, so that number is kept for a
while: as many times longer as the count took, so that scraping can never become the server's main work.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom.core.lease_quotas import LeaseCountEntry

if TYPE_CHECKING:
    from strongroom.core.live import Live

#: The shortest time that a count of leases is kept, and how many times longer than the count it is.
KEEP_SECONDS = 10.0
KEEP_FACTOR = 50.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """One reading."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Metrics:
    """Reads the gauges of an unsealed server."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._leases = 0
        self._good_until = 0.0

    async def gauges(self) -> list[Gauge]:
        """All of them, by name."""
        cluster = {"cluster": self._live.cluster.name}
        resident = _resident_bytes()
        return [
            Gauge("core.active", 1, cluster),
            Gauge("core.in_flight_requests", self._live.under_way),
            Gauge("core.unsealed", 1, cluster),
            Gauge("expire.num_leases", await self._count_leases()),
            Gauge("runtime.alloc_bytes", resident),
            Gauge("runtime.sys_bytes", max(_peak_bytes(), resident)),
        ]

    async def _count_leases(self) -> int:
        clock = self._live.clock
        began = clock.monotonic()
        if began >= self._good_until:
            self._leases = await self._live.lease_quotas.count(LeaseCountEntry("", 0))
            now = clock.monotonic()
            self._good_until = now + max(KEEP_SECONDS, KEEP_FACTOR * (now - began))
        return self._leases


def _resident_bytes() -> int:
    """What the process has in memory now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as f:  # noqa: PTH123 - a kernel's file
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return _peak_bytes()


def _peak_bytes() -> int:
    """The most it ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
