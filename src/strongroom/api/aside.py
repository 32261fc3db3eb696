"""Work on large data, beside the event loop, one piece at a time.

Steps over bytes (JSON, base64) keep the interpreter to themselves until they are done. With one thread for them the
loop waits for one such step at most, with several it would wait for one of each.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: From here on, in bytes or characters, a thread costs less than what the others would wait for.
LARGE: Final = 1 << 17


@functools.cache
def _lane() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="large")


async def aside(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do work on large data when its turn comes."""
    return await asyncio.get_running_loop().run_in_executor(_lane(), work, *args)
