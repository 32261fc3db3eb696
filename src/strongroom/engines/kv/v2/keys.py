"""Keys, versions and settings in storage.

Whoever changes a key first says `claim`, which holds its lock until the change is durable. Readers hold none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from strongroom.api.context import Context
from strongroom.engines.kv.upgrade import MARKER, VALUES, Upgrade
from strongroom.engines.kv.v2.model import (
    Config,
    Key,
    Reads,
    Version,
    Who,
    add_version,
    new_id,
    new_key,
    shown_version,
)
from strongroom.engines.values import PathArgs, check_writable, is_name
from strongroom.errors import BadRequest, CorruptEntry

META: Final = "meta/"
DATA: Final = "data/"
READ: Final = "read/"
CONFIG: Final = "config"
#: The kind of lock on one path; version 1's is the same.
LOCK: Final = "key"

_DEFAULTS: Final = Config()
_NUMBER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)


class Reading(NamedTuple):
    """A version that was asked for. `value` is None when it is gone."""

    key: Key
    number: int
    version: Version
    value: msgspec.Raw | None

    @property
    def metadata(self) -> dict[str, Any]:
        """The version's metadata as it is shown."""
        return shown_version(self.key, self.number, self.version)


async def load_config(ctx: Context) -> Config:
    """The mount's settings."""
    return await ctx.storage.load(CONFIG, Config) or _DEFAULTS


def author(ctx: Context, config: Config) -> Who | None:
    """Who makes this request, for what it creates; None when that is not noted, or nobody does."""
    caller = ctx.caller
    if not config.track_access or not (caller.accessor or caller.display_name):
        return None
    return Who(caller.display_name, caller.entity_id, ctx.hashed(caller.accessor) if caller.accessor else "")


async def names_in(ctx: Context, folder: str, after: str, limit: int) -> list[str]:
    """The names in a folder ("" or ending in a slash) that come after one, in byte order; 0 for all."""
    names = await ctx.storage.list(META + folder, after, limit)
    if await ctx.storage.load(MARKER, Upgrade) is None:
        return names
    names = sorted({*names, *await ctx.storage.list(VALUES + folder, after, limit)})
    return names[:limit] if limit else names


async def find(ctx: Context, path: str) -> Key | None:
    """The key at a path, for reading; None when there is none."""
    if not is_name(path):
        return None
    key = await ctx.storage.load(META + path, Key)
    return key if key is not None else await _left_by_version_1(ctx, path)


async def _left_by_version_1(ctx: Context, path: str) -> Key | None:
    upgraded = await ctx.storage.load(MARKER, Upgrade)
    if upgraded is None or await ctx.storage.get(VALUES + path) is None:
        return None
    at = upgraded.at
    return Key("", at, at, current_version=1, oldest_version=1, versions={1: Version(at)})


async def claim(ctx: Context, path: str) -> Key | None:
    """The key at a path, for changing: the request holds its lock from now on."""
    await ctx.lock(LOCK, path)
    key = await find(ctx, path)
    if key is None or key.id:
        return key
    key = msgspec.structs.replace(key, id=new_id())
    value = await ctx.storage.get(VALUES + path)
    assert value is not None
    ctx.storage.put(f"{DATA}{key.id}/1", value)
    ctx.storage.delete(VALUES + path)
    reads = await ctx.storage.load(READ + path, Reads)
    if reads is not None and not reads.id:
        ctx.storage.store(READ + path, msgspec.structs.replace(reads, id=key.id))
    save(ctx, path, key)
    return key


def save(ctx: Context, path: str, key: Key) -> None:
    """Store a claimed key."""
    ctx.storage.store(META + path, key)


async def exists(ctx: Context, args: PathArgs) -> bool:
    """Whether a write would change a key rather than create one; a key with nothing but deleted versions exists.

    The lock is taken here already, so that what needed only the right to create cannot come second.
    """
    check_writable(args.path)
    await ctx.lock(LOCK, args.path)
    return await find(ctx, args.path) is not None


async def read_version(ctx: Context, path: str, wanted: int) -> Reading | None:
    """A version (the newest when `wanted` is not positive); None when there is no such version.

    Raises:
        CorruptEntry: the key says that there is data, and there is none.
    """
    key = await find(ctx, path)
    while key is not None:
        number = wanted if wanted > 0 else key.current_version
        version = key.versions.get(number)
        if version is None:
            return None
        if version.gone(ctx.clock.now_ns()):
            return Reading(key, number, version, None)
        value = await ctx.storage.get(f"{DATA}{key.id}/{number}" if key.id else VALUES + path)
        if value is not None:
            return Reading(key, number, version, msgspec.Raw(value))
        # Readers hold no lock: the version may have gone between the two reads, and then the key has changed too.
        before, key = key, await find(ctx, path)
        if key == before:
            raise CorruptEntry(f"version {number} of a key has no data")
    return None


def add(ctx: Context, path: str, key: Key | None, config: Config, value: bytes) -> dict[str, Any]:
    """Write one more version of a claimed key, or the first; returns its metadata as it is shown."""
    now, created_by = ctx.clock.now_ns(), author(ctx, config)
    key, trimmed = add_version(key or new_key(now, created_by), config, now, created_by)
    number = key.current_version
    drop_data(ctx, key, trimmed)
    ctx.storage.put(f"{DATA}{key.id}/{number}", value)
    save(ctx, path, key)
    return shown_version(key, number, key.versions[number])


def drop_data(ctx: Context, key: Key, numbers: list[int]) -> None:
    """Delete versions' data."""
    for number in numbers:
        ctx.storage.delete(f"{DATA}{key.id}/{number}")


#: The class of these refusals in the audit log.
_MISMATCH: Final = "invalid request"


def check_cas(options: Mapping[str, Any], key: Key | None, config: Config) -> None:
    """Compare a write's check-and-set parameter, where one is given or demanded, with the newest version's number."""
    if "cas" not in options:
        if config.cas_required or (key is not None and key.cas_required):
            raise BadRequest("check-and-set parameter required for this call", kind=_MISMATCH)
        return
    if _cas(options["cas"]) != (key.current_version if key is not None else 0):
        raise BadRequest("check-and-set parameter did not match the current version", kind=_MISMATCH)


def _cas(value: object) -> int:
    if value is None or isinstance(value, int):
        return int(value or 0)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    raise BadRequest("error parsing check-and-set parameter")
