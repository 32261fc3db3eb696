"""Long work on the event loop, cut into slices so that requests do not wait for it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

#: Seconds of work between two chances for requests: as long as a handful of them take.
SLICE: Final = 0.002


class Slices:
    """Ends the slice when it has been long enough; to be asked after each small step."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def end(self) -> None:
        """Let others run, if it is time."""
        if time.perf_counter() - self._since >= SLICE:
            await asyncio.sleep(0.001)
            self._since = time.perf_counter()
