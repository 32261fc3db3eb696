"""The engine that transit's modules declare their routes on, and how they find a key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from strongroom.api.aside import aside
from strongroom.api.context import Context
from strongroom.api.routes import Engine
from strongroom.engines.transit.lifecycle import rotated, rotation_due
from strongroom.engines.transit.model import Key, auto_rotate_path, key_path
from strongroom.errors import BadRequest, NotFound

T = TypeVar("T")

transit: Engine[Context] = Engine(
    "transit", help="Encryption as a service: keys that never leave, and what is done with them."
)


async def find(ctx: Context, name: str) -> Key | None:
    """A key, None when there is none."""
    return await ctx.storage.load(key_path(name), Key)


async def find_current(ctx: Context, name: str) -> Key | None:
    """A key for making something new: rotated first, if that is due."""
    key = await ctx.storage.load(key_path(name), Key)
    if key is None or not key.auto_rotate_period or not rotation_due(key, ctx.clock.now_ns()):
        return key
    key = await find_locked(ctx, name)
    if key is None or not rotation_due(key, ctx.clock.now_ns()):
        return key
    return save(ctx, await rotated(key, ctx.clock.now_ns()))


async def find_locked(ctx: Context, name: str) -> Key | None:
    """A key for changing it: nobody else changes it before this request's commit."""
    await ctx.lock("key", name)
    return await ctx.storage.load(key_path(name), Key)


async def existing(ctx: Context, name: str) -> Key:
    """A key for reading it; raises `NotFound`."""
    key = await find_current(ctx, name)
    if key is None:
        raise NotFound
    return key


def usable(key: Key | None, missing: str) -> Key:
    """The key, unless it is missing (`BadRequest` with this text) or softly deleted."""
    if key is None:
        raise BadRequest(missing)
    if key.soft_deleted:
        raise BadRequest("refusing to use soft-deleted key")
    return key


def save(ctx: Context, key: Key) -> Key:
    """Store a key when the request commits."""
    ctx.storage.store(key_path(key.name), key)
    if key.auto_rotate_period:
        ctx.storage.put(auto_rotate_path(key.name), b"")
    return key


async def perform(ctx: Context, threaded: bool, work: Callable[..., T], *args: Any) -> T:
    """Do work: in a thread when it is `threaded` by its nature or the request is large, else here."""
    if threaded:
        return await asyncio.to_thread(work, *args)
    if ctx.request.large:
        return await aside(work, *args)
    return work(*args)
