"""A thread that writes for a device whose target can stand still: a pipe, a terminal, a socket, a disk.

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


class Job:
    """An action for the thread."""

    __slots__ = ("action", "done", "future", "given_up", "loop", "problem", "settled")

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action
        #: Free once the thread is through with it.
        self.done = threading.Lock()
        self.done.acquire()
        self.problem: Exception | None = None
        #: Who waits for it without standing still.
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[None] | None = None
        self.given_up = False
        #: Whether the event loop knows that it is done.
        self.settled = False

    def watch(self) -> None:
        """Have the event loop told of its end."""
        self.loop = asyncio.get_running_loop()
        self.future = self.loop.create_future()


class Pump:
    """Runs blocking actions in order on a thread of its own, started with the first; `deadline` is in seconds."""

    def __init__(self, name: str, deadline: float) -> None:
        self._name, self.deadline = name, deadline
        self._jobs: queue.SimpleQueue[Job | Callable[[], object]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._given_up = 0
        #: Actions that are not done yet, those given up included.
        self.busy = 0

    async def run(self, action: Callable[[], object]) -> None:
        """Run an action; raises what it raises, or `OSError` (ETIMEDOUT) when it is not done in time.

        An action that is given up still runs when its turn comes: a line too many is better than one too few.
        """
        job = self.start(action)
        try:
            await self.ended(job)
        except asyncio.CancelledError:
            self._give_up(job)
            raise

    def start(self, action: Callable[[], object]) -> Job:
        """Give the thread an action whose end is waited for with `ended`."""
        job = Job(action)
        job.watch()
        self._put(job)
        return job

    def finish(self, action: Callable[[], object], patience: float) -> Job | None:
        """Run an action while the caller stands still, but for no more than `patience` seconds.

        This takes a third of the time of `run`, for what is as good as always done at once. What is not done in time is
        returned, to be waited for with `ended`.
        """
        job = Job(action)
        self._put(job)
        if not job.done.acquire(timeout=patience):
            job.watch()
            # The thread looks whether it is watched only after it has freed the lock.
            if not job.done.acquire(blocking=False):
                return job
        self._settle(job)
        if job.problem is not None:
            raise job.problem
        return None

    async def ended(self, job: Job) -> None:
        """Wait for an action, as any number of callers may; raises as `run` does."""
        if not job.settled and not job.given_up:
            assert job.future is not None
            await asyncio.wait((job.future,), timeout=self.deadline)
            self._give_up(job)
        if job.given_up:
            raise OSError(errno.ETIMEDOUT, f"not written within {self.deadline:g} seconds")
        if job.problem is not None:
            raise job.problem.with_traceback(None)

    def close(self, last: Callable[[], object]) -> None:
        """Let the thread do what it was given, then `last`, then end."""
        if self._thread is None:
            last()
        else:
            self._jobs.put(last)

    def check(self) -> None:
        """Raise `OSError` (ETIMEDOUT) when actions are refused, since one before them has missed its deadline."""
        if self._given_up:
            raise OSError(errno.ETIMEDOUT, "an earlier write is still waiting")

    def _put(self, job: Job) -> None:
        self.check()
        if self._thread is None:
            # A daemon: a target that hangs for good must not keep the process from ending.
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self.busy += 1
        self._jobs.put(job)

    def _give_up(self, job: Job) -> None:
        if not job.settled and not job.given_up:
            job.given_up = True
            self._given_up += 1

    def _work(self) -> None:
        while isinstance(job := self._jobs.get(), Job):
            try:
                job.action()
            except Exception as e:
                job.problem = e
            job.done.release()
            if job.loop is not None:
                # The loop may have ended meanwhile.
                with contextlib.suppress(RuntimeError):
                    job.loop.call_soon_threadsafe(self._settle, job)
        job()

    def _settle(self, job: Job) -> None:
        if job.settled:
            return
        job.settled = True
        self.busy -= 1
        if job.given_up:
            self._given_up -= 1
        if job.future is not None and not job.future.done():
            job.future.set_result(None)
