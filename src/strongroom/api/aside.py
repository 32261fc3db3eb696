"""Work on large data, beside the event loop, one piece at a time.

Steps over bytes (JSON, base64) keep the interpreter to themselves until they are done. With one thread for them the
loop waits for one such step at most, with several it would wait for one of each.

That holds for each time that the loop needs the interpreter back, and a request gives it up several times, with each
system call. Who steps on at once has it wait for a step each time. So the thread rests between what takes long, and
leaves the loop the time to answer all who have waited.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: From here on, in bytes or characters, a thread costs less than what the others would wait for.
LARGE: Final = 1 << 17
#: How long, in seconds, the thread rests at most after a piece of work, and after one of its parts.
REST: Final = 0.004
BREATH: Final = 0.0002


class _Lane:
    """The thread, and when it has rested."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="large")
        self._rested = 0.0

    def do(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """Do work once the thread has rested from the one before as long as that took."""
        began = time.monotonic()
        if began < self._rested:
            time.sleep(self._rested - began)
            began = self._rested
        try:
            return work(*args)
        finally:
            ended = time.monotonic()
            self._rested = ended + min(ended - began, REST)


@functools.cache
def _lane() -> _Lane:
    return _Lane()


async def aside(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do work on large data when its turn comes."""
    lane = _lane()
    return await asyncio.get_running_loop().run_in_executor(lane.pool, lane.do, work, *args)


def breathe() -> None:
    """Let the loop have the interpreter: for work on large data that is done part by part, between two of them."""
    time.sleep(BREATH)
