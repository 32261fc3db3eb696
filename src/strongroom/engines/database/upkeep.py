"""The recurring work of a database mount: rotations that are due.

Those of one database come one after the other, a second apart; the databases do not wait for each other.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

from strongroom.api.context import Context
from strongroom.engines.database.config import change_root_password
from strongroom.engines.database.engine import Failed, database
from strongroom.engines.database.model import CONFIG, STATIC, Config, StaticRole
from strongroom.engines.database.plan import load, plan_of, plan_retry, plan_root
from strongroom.engines.database.rotation import introduce, rotate
from strongroom.errors import StrongroomError

log = logging.getLogger("strongroom.database")

#: How far apart rotations of one database are, in seconds, and how many are done before looking around again.
APART_SECONDS: Final = 1.0
AT_A_TIME: Final = 4


async def tick(ctx: Context) -> None:
    """Rotate what is due."""
    plan = plan_of(ctx)
    if not plan.loaded:
        await load(ctx)
    now = ctx.clock.now_ns()
    by_database: dict[str, list[str]] = {}
    for key in sorted((key for key, at_ns in plan.due.items() if at_ns <= now), key=plan.due.__getitem__):
        by_database.setdefault(await _database_of(ctx, key), []).append(key)
    await asyncio.gather(*(_rotate_all(ctx, keys) for keys in by_database.values()))


database.tick = tick


async def _database_of(ctx: Context, key: str) -> str:
    if key.startswith(CONFIG):
        return key.removeprefix(CONFIG)
    role = await ctx.storage.load(key, StaticRole)
    return "" if role is None else role.db_name


async def _rotate_all(ctx: Context, keys: list[str]) -> None:
    for number, key in enumerate(keys[:AT_A_TIME]):
        if number:
            await asyncio.sleep(APART_SECONDS)
        try:
            await ctx.apart(partial(_rotate, key=key))
        except StrongroomError as error:
            text = error.text if isinstance(error, Failed) else type(error).__name__
            log.warning("rotating %s at %s failed, and will be tried again: %s", key, ctx.mount.path, text)
            plan_retry(ctx, key)


async def _rotate(ctx: Context, key: str) -> None:
    """Rotate what is stored at a key, if it is still due."""
    plan = plan_of(ctx)
    kind, _, name = key.partition("/")
    await ctx.lock("role" if kind + "/" == STATIC else kind, name)
    if plan.due.get(key, 0) > ctx.clock.now_ns():
        return
    if kind + "/" == STATIC:
        role = await ctx.storage.load(key, StaticRole)
        if role is None:
            plan.note(key, 0)
        else:
            await (introduce if role.fresh else rotate)(ctx, name, role)
        return
    config = await ctx.storage.load(key, Config)
    if config is None:
        plan.note(key, 0)
        return
    plan_root(ctx, name, config)
    if 0 < plan.due.get(key, 0) <= ctx.clock.now_ns():
        await change_root_password(ctx, name)
