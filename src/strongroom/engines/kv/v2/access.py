"""Who read what last.

A read leaves a note in memory (`Context.note`); `settle` stores what was noted with the keys, every few seconds. So a
read costs no write, and a crash loses the last seconds of what was noted. Nothing of it is about secrets' content.

Neither reading nor storing takes a key's lock. What is stored names the id of its key: if the key is deleted at that
very moment, what is left behind belongs to no key and is removed right after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Final

from strongroom.api.context import Context
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import CONFIG, READ, Reading, find, load_config
from strongroom.engines.kv.v2.model import Config, Key, Reads, Tracking, Use, Who, reads_with
from strongroom.engines.kv.v2.walk import walk
from strongroom.errors import CorruptEntry

TRACKING: Final = "tracking"
#: How many records are removed in one commit.
PAGE: Final = 500
#: How many keys are looked at before others get their turn.
STEP: Final = 20

_FORGETTING: Final = "kv: forgetting who read"

#: The key's id, when (Unix nanoseconds), and of the token the display name, the entity's id and the accessor.
Note = tuple[str, int, str, str, str]


def note_read(ctx: Context, path: str, found: Reading) -> None:
    """Note that a version was read. This is on the way of every read: it hashes nothing and asks for no setting."""
    caller = ctx.caller
    note: Note = (found.key.id, ctx.clock.now_ns(), caller.display_name, caller.entity_id, caller.accessor)
    ctx.note((path, found.number), note)


async def reads_of(ctx: Context, path: str, key: Key) -> Reads:
    """What is known of a key's reads, be it stored or not yet."""
    notes = {number: note for number in key.versions if (note := ctx.noted((path, number))) is not None}
    return await _joined(ctx, path, key, notes)


async def _joined(ctx: Context, path: str, key: Key, notes: Mapping[int, Note]) -> Reads:
    try:
        stored = await ctx.storage.load(READ + path, Reads)
    except CorruptEntry:
        stored = None  # nothing else depends on it, and what is stored next takes its place
    reads = stored if stored is not None and stored.id == key.id else Reads(key.id)
    uses = {number: _use(ctx, note) for number, note in notes.items() if note[0] == key.id}
    return reads_with(reads, key, uses)


def _use(ctx: Context, note: Note) -> Use:
    _, at_ns, display_name, entity_id, accessor = note
    return Use(at_ns, Who(display_name, entity_id, ctx.hashed(accessor) if accessor else ""))


async def move_reads(ctx: Context, source: str, target: str, key: Key) -> None:
    """A key moves; what is noted under its old path and not stored yet comes along."""
    if (await load_config(ctx)).track_access:
        reads = await reads_of(ctx, source, key)
        if reads.versions or reads.since_ns:
            ctx.storage.store(READ + target, reads)
    ctx.storage.delete(READ + source)


async def begin_reads(ctx: Context, path: str, key: Key) -> None:
    """A copy comes to be: nobody has read it yet, and the times that it has are its source's."""
    if (await load_config(ctx)).track_access:
        ctx.storage.store(READ + path, Reads(key.id, since_ns=ctx.clock.now_ns()))


async def since(ctx: Context) -> int:
    """Since when reads are noted at the mount (Unix nanoseconds): what was before, nobody knows."""
    tracking = await ctx.storage.load(TRACKING, Tracking)
    return tracking.since_ns if tracking is not None else ctx.clock.now_ns()


async def settle(ctx: Context, notes: Mapping[tuple[str, int], Note]) -> None:
    """Store what was noted."""
    await ctx.lock(CONFIG, "")  # nothing is stored once a change of the settings has taken effect
    tracking = await ctx.storage.load(TRACKING, Tracking)
    if not (await load_config(ctx)).track_access:
        if tracking is not None:
            ctx.background(_FORGETTING, _forget)  # a restart may have ended that
        return
    if tracking is None:
        ctx.storage.store(TRACKING, Tracking(ctx.clock.now_ns()))
    by_path: dict[str, dict[int, Note]] = {}
    for (path, number), note in notes.items():
        by_path.setdefault(path, {})[number] = note
    stored: dict[str, str] = {}
    for number, (path, found) in enumerate(by_path.items()):
        if not number % STEP:
            await asyncio.sleep(0)
        reads = await _store(ctx, path, found)
        if reads is not None:
            stored[path] = reads.id
    if stored:
        await ctx.commit()
        await _remove_orphans(ctx, stored)


async def _store(ctx: Context, path: str, notes: Mapping[int, Note]) -> Reads | None:
    """Store a key's notes; None when they are about no key that is there."""
    try:
        key = await find(ctx, path)
        if key is None or not any(note[0] == key.id for note in notes.values()):
            return None
        reads = await _joined(ctx, path, key, notes)
    except CorruptEntry:
        return None  # its readers are told so
    ctx.storage.store(READ + path, reads)
    return reads


async def _remove_orphans(ctx: Context, stored: Mapping[str, str]) -> None:
    for path, key_id in stored.items():
        key = await find(ctx, path)
        if key is None or key.id != key_id:
            reads = await ctx.storage.load(READ + path, Reads)
            if reads is not None and reads.id == key_id:
                ctx.storage.delete(READ + path)


def switch(ctx: Context, config: Config) -> None:
    """Begin to note reads, or forget all that was noted; the caller holds the lock on the settings."""
    if config.track_access:
        ctx.storage.store(TRACKING, Tracking(ctx.clock.now_ns()))
    else:
        ctx.background(_FORGETTING, _forget)


def _list(ctx: Context, folder: str, after: str, limit: int) -> Awaitable[list[str]]:
    return ctx.storage.list(READ + folder, after, limit)


async def _forget(ctx: Context) -> bool:
    """Remove a part of what was noted; whether there may be more."""
    await ctx.lock(CONFIG, "")  # a request that turns it off may not be done yet
    if (await load_config(ctx)).track_access:
        return False
    gone = 0
    async with aclosing(walk(partial(_list, ctx))) as paths:
        async for path in paths:
            ctx.storage.delete(READ + path)
            gone += 1
            if gone == PAGE:
                return True
    ctx.storage.delete(TRACKING)
    return False


kv2.settle = settle
