"""The lines of one turn of the event loop, written together: what a line costs is above all the way to the device."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from strongroom.api.aside import LARGE
from strongroom.audit.pump import Job, Pump
from strongroom.turns import Joint


class Batch:
    """The lines of a turn. Awaited it is written, or raises for each who waits for it."""

    __slots__ = ("_joint", "_pump", "job", "lines", "parts", "problem", "written")

    def __init__(self, flush: Callable[[], None], pump: Pump) -> None:
        self.parts: list[bytes | Unmade] = []
        #: What of it can be written, once it is to be.
        self.lines: list[bytes] = []
        self._joint = Joint(flush)
        self._pump = pump
        #: The thread's work on them, where it was not done at once.
        self.job: Job | None = None
        self.written = False
        self.problem: Exception | None = None

    def __await__(self) -> Generator[Any, None, None]:
        yield from self._joint.__await__()
        if self.job is not None:
            yield from self._pump.ended(self.job).__await__()

    def finish(self) -> None:
        """Write them now."""
        self._joint.finish()

    def make(self) -> None:
        """Make the lines. One that fails is its own request's misfortune."""
        # They know their batch, and it may not go on knowing them: cycles are left to the collector.
        parts, self.parts = self.parts, []
        for part in parts:
            if isinstance(part, bytes):
                self.lines.append(part)
            else:
                try:
                    self.lines.append(part.make())
                except Exception as e:
                    part.problem = e


class Unmade:
    """A line that is made when its batch is written. Awaited it is there, or raises."""

    __slots__ = ("_batch", "make", "problem")

    def __init__(self, batch: Batch, make: Callable[[], bytes]) -> None:
        self._batch, self.make = batch, make
        self.problem: Exception | None = None

    def __await__(self) -> Generator[Any, None, None]:
        yield from self._batch.__await__()
        if self.problem is not None:
            raise self.problem


class Batches:
    """Gathers lines and has `write` write them. If that fails all of a batch count as lost, though some may be there.

    There are three ways of writing, by what can stand still and whom that would hold up:

    - On the loop itself, if `direct`.
    - On the pump's thread, while the loop waits for it, for `slow_seconds` at most. That costs tens of microseconds.
    - On the thread with the pump's deadline, while the loop does other things: what is large, and for `retry_seconds`
      after a slow write, or with `learns` until a write has been quick again. What comes meanwhile is written together
      next.
    """

    def __init__(
        self,
        pump: Pump,
        write: Callable[[list[bytes]], None],
        *,
        slow_seconds: float,
        retry_seconds: float = 0.0,
        learns: bool = False,
    ) -> None:
        self._pump, self._write = pump, write
        self._slow_seconds, self._retry_seconds, self._learns = slow_seconds, retry_seconds, learns
        self._batch: Batch | None = None
        #: What waits for the thread.
        self._queued: deque[Batch] = deque()
        self.direct = False
        #: Until when (monotonic) lines are the thread's business alone.
        self.slow_until = math.inf if learns else 0.0

    def put(self, line: bytes) -> Batch:
        """Add a line; what is returned is to be awaited."""
        batch = self._batch or self._begun()
        batch.parts.append(line)
        return batch

    def add(self, make: Callable[[], bytes]) -> Unmade:
        """Add a line that is made when it is written; what is returned is to be awaited.

        To make the lines of many requests one after the other takes a third less time than to make each between other
        work: what makes them stays in the processor's caches.
        """
        batch = self._batch or self._begun()
        line = Unmade(batch, make)
        batch.parts.append(line)
        return line

    def _begun(self) -> Batch:
        batch = self._batch = Batch(self._flush, self._pump)
        return batch

    def finish(self) -> None:
        """Write what waits to be written, or hand it to the thread, before that gets anything else to do."""
        if self._batch is not None:
            self._batch.finish()

    def _flush(self) -> None:
        batch, self._batch = self._batch, None
        assert batch is not None
        batch.make()
        if not batch.lines:
            return
        began = time.monotonic()
        # What the thread has begun it finishes first: nothing is ever written by two hands.
        large = (max if self.direct else sum)(map(len, batch.lines)) > LARGE
        if self._pump.busy or began < self.slow_until or large:
            self._pump.check()
            self._queued.append(batch)
            batch.job = self._pump.start(lambda: self._drain(batch))
            return
        try:
            if self.direct:
                self._write(batch.lines)
            else:
                batch.job = self._pump.finish(lambda: self._write(batch.lines), self._slow_seconds)
        except Exception:
            self._took(math.inf)
            raise
        self._took(time.monotonic() - began)

    def _took(self, seconds: float) -> None:
        """Learn from how long a write took; one that failed took for ever."""
        if self._learns:
            self.slow_until = math.inf if seconds >= self._slow_seconds else 0.0
        elif self._slow_seconds <= seconds < math.inf:
            self.slow_until = time.monotonic() + self._retry_seconds

    # -- On the thread -----------------------------------------------------------------------------------------------

    def _drain(self, batch: Batch) -> None:
        """Write the lines of a batch, and with them those of all that have come since."""
        if not batch.written:
            batches: list[Batch] = []
            while self._queued:
                batches.append(self._queued.popleft())
            began, problem = time.monotonic(), None
            try:
                self._write([line for each in batches for line in each.lines])
            except Exception as e:
                problem = e
            if self._learns:
                self._took(math.inf if problem else time.monotonic() - began)
            for each in batches:
                each.written, each.problem = True, problem
        if batch.problem is not None:
            raise batch.problem
