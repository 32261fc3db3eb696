"""Work that must not stop half-way because a client left or a request took too long."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await work that goes on when the caller is cancelled; the cancellation is raised once the work is done.

    So whatever the caller holds while it waits (locks, its place among the requests under way) it holds to the end.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # whoever was cancelled hears of that and of nothing else
        raise
