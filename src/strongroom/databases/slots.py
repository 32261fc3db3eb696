"""Who may use one of a few connections next: requests before work in the background, which still gets its share."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

#: How many requests go before one piece of work in the background, where both wait.
REQUESTS_FIRST: Final = 3


class Slots:
    """So many of them at a time. Work in the background leaves one free, if there are several."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._most_background = max(1, most - 1)
        self._background = 0
        #: Those who wait: requests, and work in the background.
        self._waiting: tuple[deque[asyncio.Future[None]], deque[asyncio.Future[None]]] = (deque(), deque())
        self._requests_in_a_row = 0

    def try_acquire(self, *, background: bool = False) -> bool:
        """Take a slot if nobody has to wait for it; whether that could be."""
        if self._waiting[background] or not self._may_go(background):
            return False
        self._go(background)
        return True

    async def acquire(self, *, background: bool = False) -> None:
        """Wait for a slot; each of a kind in order."""
        if self.try_acquire(background=background):
            return
        slot = asyncio.get_running_loop().create_future()
        self._waiting[background].append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.release(background=background)  # it came at the same moment
            elif slot in self._waiting[background]:
                self._waiting[background].remove(slot)
            raise

    def release(self, *, background: bool = False) -> None:
        """Give a slot back: to the next, if somebody waits."""
        self._free += 1
        self._background -= background
        while (kind := self._next()) is not None:
            slot = self._waiting[kind].popleft()
            if not slot.done():  # else whoever waited has given up
                self._go(kind)
                slot.set_result(None)

    def _may_go(self, background: bool) -> bool:
        return self._free > 0 and (not background or self._background < self._most_background)

    def _go(self, background: bool) -> None:
        self._free -= 1
        self._background += background
        self._requests_in_a_row = 0 if background else self._requests_in_a_row + 1

    def _next(self) -> bool | None:
        """Whose slot is next: True for work in the background, None for nobody's."""
        request = bool(self._waiting[False]) and self._may_go(False)
        work = bool(self._waiting[True]) and self._may_go(True)
        if work and (not request or self._requests_in_a_row >= REQUESTS_FIRST):
            return True
        return False if request else None
