"""Keys that rotate by themselves: at their next use once they are due, and within a minute when nobody uses them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from strongroom.api.context import Context
from strongroom.engines.transit.engine import find, find_current, find_locked, transit
from strongroom.engines.transit.lifecycle import rotation_due
from strongroom.engines.transit.model import AUTO_ROTATE, auto_rotate_path

#: Seconds from one round to the next.
INTERVAL: Final = 60.0
#: So many keys are looked at before others get their turn.
PAGE: Final = 200

_NEXT = "transit: next round of rotations"


async def rotate_due_keys(ctx: Context) -> None:
    """Rotate every key that is due, each in a transaction of its own."""
    now = ctx.clock.monotonic()
    if now < ctx.memory.get(_NEXT, 0.0):
        return
    ctx.memory[_NEXT] = now + INTERVAL
    after = ""
    while names := await ctx.storage.list(AUTO_ROTATE, after, PAGE):
        for name in names:
            key = await find(ctx, name)
            if key is None or not key.auto_rotate_period or rotation_due(key, ctx.clock.now_ns()):
                await ctx.apart(partial(_tend, name))
        after = names[-1]
        await asyncio.sleep(0)


async def _tend(name: str, ctx: Context) -> None:
    """Rotate a key, or forget that it ever did."""
    key = await find_locked(ctx, name)
    if key is None or not key.auto_rotate_period:
        ctx.storage.delete(auto_rotate_path(name))
    else:
        await find_current(ctx, name)


transit.tick = rotate_due_keys
