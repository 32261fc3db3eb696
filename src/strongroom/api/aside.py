"""Work on large data, beside the event loop, one piece at a time.

Steps over bytes (JSON, base64) keep the interpreter to themselves until they are done. With one thread for them the
loop waits for one such step at most, with several it would wait for one of each.

That holds for each time that the loop needs the interpreter back, and a request gives it up several times, with each
system call. Who steps on at once has it wait for a step each time. So the thread rests after what took long, and leaves
the loop the time to answer all who have waited.
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
#: How long, in seconds, the thread rests after a piece of work and after one of its pieces.
REST: Final = 0.004
BREATH: Final = 0.0002


@functools.cache
def _lane() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="large")


async def aside(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do work on large data when its turn comes."""
    return await asyncio.get_running_loop().run_in_executor(_lane(), _do, work, *args)


def _do(work: Callable[[*Ts], T], *args: *Ts) -> T:
    began = time.monotonic()
    try:
        return work(*args)
    finally:
        time.sleep(min(time.monotonic() - began, REST))


def breathe() -> None:
    """Let the loop have the interpreter: for work on large data that is done piece by piece, between two pieces."""
    time.sleep(BREATH)
