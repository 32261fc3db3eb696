"""The requests under way: how many, and which of them take too long."""

from __future__ import annotations

import asyncio
import math

_Task = asyncio.Task[object]


class Flights:
    """Requests under way, each with the moment it must be done by.

    One timer looks at all of them every `interval` seconds: a timer per request would cost more than the bookkeeping
    here, and nobody needs a limit of 90 seconds to the millisecond.
    """

    def __init__(self, interval: float = 1.0) -> None:
        self._interval = interval
        self._due: dict[_Task, float] = {}
        self._overdue: set[_Task] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._due)

    def enter(self, task: _Task, limit: float) -> None:
        """A request begins; it may take `limit` seconds, 0 for ever."""
        loop = task.get_loop()
        self._due[task] = loop.time() + limit if limit > 0 else math.inf
        if self._timer is None:
            self._timer = loop.call_later(self._interval, self._sweep)

    def leave(self, task: _Task) -> None:
        """A request is done."""
        self._due.pop(task, None)
        if not self._due and self._empty is not None:
            self._empty.set()

    def unlimited(self, task: _Task) -> None:
        """Let a request take as long as it likes (a body that streams)."""
        self._due[task] = math.inf

    def is_overdue(self, task: _Task) -> bool:
        """Whether the cancellation that a request just received was for taking too long; asked once."""
        if task not in self._overdue:
            return False
        self._overdue.discard(task)
        return True

    async def drained(self, seconds: float) -> bool:
        """Wait for the requests under way; False if some are left after that time."""
        self._empty = asyncio.Event()
        try:
            if self._due:
                await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._empty = None
        return True

    def cancel(self) -> None:
        """Break off all requests under way."""
        for task in list(self._due):
            task.cancel()

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, due in list(self._due.items()):
            if due <= now:
                # Once: the next sweep must not interrupt the answer that says so.
                self._due[task] = math.inf
                self._overdue.add(task)
                task.cancel()
        self._timer = loop.call_later(self._interval, self._sweep) if self._due else None
