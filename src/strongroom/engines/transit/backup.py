"""Backing keys up and restoring them, here and elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import NAME, Name
from strongroom.engines.transit import backup_format, encoding
from strongroom.engines.transit.encoding import InvalidBase64
from strongroom.engines.transit.engine import find_locked, save, transit
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import Moment
from strongroom.errors import BadRequest


class BackupArgs(Args):
    """What to back up."""

    name: Name = field("The key's name.")


class RestoreArgs(Args):
    """What to restore."""

    backup: str = field("The backup.")
    force: bool = field("Whether to replace a key of that name.")


class RestoreAsArgs(RestoreArgs):
    """What to restore, and as what."""

    name: str = field("The name to restore under.")


@transit.read("backup/{name}")
async def backup(ctx: Context, args: BackupArgs) -> dict[str, Any]:
    """A key with all its material, in plain, if its settings allow both export and that."""
    key = await find_locked(ctx, args.name)
    if key is None:
        raise Failed(f'key "{args.name}" not found')
    if not key.exportable:
        raise Failed("exporting is disallowed on the policy")
    if not key.plaintext_backup:
        raise Failed("plaintext backup is disallowed on the policy")
    key = save(ctx, replace(key, backed_up=Moment(ctx.clock.now_ns(), key.latest)))
    return {"backup": await asyncio.to_thread(backup_format.dump, key)}


@transit.write("restore")
async def restore(ctx: Context, args: RestoreArgs) -> None:
    """Bring back a key from a backup, made here, by Vault or by OpenBao, under the name it had."""
    await _restore(ctx, args, "")


@transit.write("restore/{name:subpath}")
async def restore_as(ctx: Context, args: RestoreAsArgs) -> None:
    """Bring back a key from a backup under another name."""
    if "/" in args.name:
        raise Failed("key names cannot be paths")
    await _restore(ctx, args, args.name)


async def _restore(ctx: Context, args: RestoreArgs, name: str) -> None:
    if not args.backup:
        raise BadRequest("'backup' must be supplied")
    try:
        document = encoding.decode(args.backup)
    except InvalidBase64 as e:
        raise Failed(str(e)) from None
    key = await asyncio.to_thread(backup_format.load, document, name)
    if not NAME.fullmatch(key.name):
        raise Failed("the backup's key has a name that no key can have")
    if await find_locked(ctx, key.name) is not None and not args.force:
        raise Failed(f'key "{key.name}" already exists')
    save(ctx, replace(key, restored=Moment(ctx.clock.now_ns(), key.latest)))
