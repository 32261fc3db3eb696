"""A thread that writes for a device whose target can stand still: a pipe, a terminal, a socket.

The event loop waits for it with a deadline. Once a write has missed its deadline the rest are refused at once, until
the thread is through with what it was given: a target that hangs costs one deadline, not one for each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import queue
import threading
from collections.abc import Callable


class _Job:
    __slots__ = ("action", "future", "given_up", "loop")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.given_up = False


class Pump:
    """Runs blocking actions in order on a thread of its own, started with the first; `deadline` is in seconds."""

    def __init__(self, name: str, deadline: float) -> None:
        self._name, self.deadline = name, deadline
        self._jobs: queue.SimpleQueue[_Job | Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._given_up = 0
        #: Actions that are not done yet, those given up included.
        self.busy = 0

    async def run(self, action: Callable[[], None]) -> None:
        """Run an action; raises what it raises, or `OSError` (ETIMEDOUT) when it is not done in time.

        An action that is given up still runs when its turn comes: a line too many is better than one too few.
        """
        if self._given_up:
            raise OSError(errno.ETIMEDOUT, "an earlier write is still waiting")
        if self._thread is None:
            # A daemon: a target that hangs for good must not keep the process from ending.
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        job = _Job(action)
        self._jobs.put(job)
        self.busy += 1
        try:
            await asyncio.wait((job.future,), timeout=self.deadline)
        finally:
            if not job.future.done():
                job.given_up = True
                self._given_up += 1
        if job.given_up:
            raise OSError(errno.ETIMEDOUT, f"not written within {self.deadline:g} seconds")
        job.future.result()

    def close(self, last: Callable[[], None]) -> None:
        """Let the thread do what it was given, then `last`, then end."""
        if self._thread is None:
            last()
        else:
            self._jobs.put(last)

    def _work(self) -> None:
        while isinstance(job := self._jobs.get(), _Job):
            problem: Exception | None = None
            try:
                job.action()
            except Exception as e:
                problem = e
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                job.loop.call_soon_threadsafe(self._settle, job, problem)
        job()

    def _settle(self, job: _Job, problem: Exception | None) -> None:
        self.busy -= 1
        if job.given_up:
            self._given_up -= 1
        elif job.future.done():
            pass
        elif problem is None:
            job.future.set_result(None)
        else:
            job.future.set_exception(problem)
