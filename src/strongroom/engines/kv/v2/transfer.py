"""Moving and copying a secret whole: all its versions and its settings, in one commit, without showing any of it.

Whoever asks needs what doing the same by hand would take (`update` on this endpoint comes on top, by the pipeline):

    the source        read on `data/` and `metadata/`; `update` on `undelete/` if it has deleted versions, which can be
                      brought back where they go to; to move it also `delete` on `metadata/`
    the destination   create on `data/`, with each version as the parameters, and on `metadata/`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.messages import Operation
from strongroom.engines.kv.v2.access import begin_reads, move_reads
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import DATA, LOCK, META, claim, find, save
from strongroom.engines.kv.v2.model import Key, new_id
from strongroom.engines.values import PathArgs, check_writable
from strongroom.errors import BadRequest, CorruptEntry, NotFound, PermissionDenied

_decode = msgspec.json.Decoder().decode


class TransferArgs(PathArgs):
    """A secret, and where it goes."""

    to: str = field("The path, below the same mount, at which there is nothing yet.")


@kv2.write("move/{path:path}")
async def move(ctx: Context, args: TransferArgs) -> Any:
    """Move a secret with all its versions and its settings to another path of the mount."""
    _demand(ctx, f"metadata/{args.path}", Operation.DELETE)
    key = await _begin(ctx, args)
    # The data lies under the key's id, not under its path: it stays where it is.
    ctx.storage.delete(META + args.path)
    save(ctx, args.to, key)
    await move_reads(ctx, args.path, args.to, key)
    return _shown(args, key)


@kv2.write("copy/{path:path}")
async def copy(ctx: Context, args: TransferArgs) -> Any:
    """Copy a secret with all its versions and its settings to another path of the mount."""
    key = await _begin(ctx, args)
    copied = msgspec.structs.replace(key, id=new_id())
    for number in _kept(key):
        ctx.storage.put(f"{DATA}{copied.id}/{number}", await _value(ctx, key, number))
    save(ctx, args.to, copied)
    await begin_reads(ctx, args.to, copied)
    return _shown(args, copied)


async def _begin(ctx: Context, args: TransferArgs) -> Key:
    """Lock both paths and check everything; returns the source."""
    _check_paths(args)
    for area in ("data", "metadata"):
        _demand(ctx, f"{area}/{args.path}", Operation.READ)
    for path in sorted((args.path, args.to)):
        await ctx.lock(LOCK, path)
    key = await claim(ctx, args.path)
    if key is None:
        raise NotFound
    now = ctx.clock.now_ns()
    if any(key.versions[number].gone(now) for number in _kept(key)):
        _demand(ctx, f"undelete/{args.path}", Operation.UPDATE)
    for number in _kept(key):
        _demand(ctx, f"data/{args.to}", Operation.CREATE, {"data": _decode(await _value(ctx, key, number))})
    if not key.versions:
        _demand(ctx, f"data/{args.to}", Operation.CREATE)
    _demand(ctx, f"metadata/{args.to}", Operation.CREATE, _settings(key))
    if await find(ctx, args.to) is not None:
        raise BadRequest("there is a secret at the destination already; delete it with its metadata first")
    return key


def _check_paths(args: TransferArgs) -> None:
    """The destination comes as a parameter, so that the edge has not looked at it as it does at a path."""
    check_writable(args.path)
    if not args.to:
        raise BadRequest("missing destination: name it in `to`")
    check_writable(args.to)
    if any(part in ("", ".", "..") for part in args.to.split("/")) or "/." in args.to or not args.to.isprintable():
        raise BadRequest("the destination is no path of a secret")
    if args.to == args.path:
        raise BadRequest("the destination is the source")


def _demand(ctx: Context, path: str, operation: Operation, data: Mapping[str, Any] | None = None) -> None:
    if not ctx.may(path, operation, data):
        raise PermissionDenied(reason=f"a transfer needs {operation} on {ctx.mount.path}{path}")


def _kept(key: Key) -> list[int]:
    """The versions whose data is still there, be they deleted or not."""
    return [number for number, version in key.versions.items() if not version.destroyed]


async def _value(ctx: Context, key: Key, number: int) -> bytes:
    value = await ctx.storage.get(f"{DATA}{key.id}/{number}")
    if value is None:
        raise CorruptEntry(f"version {number} of a key has no data")
    return value


def _settings(key: Key) -> dict[str, Any]:
    """What a write of the key's settings would carry."""
    names = ("max_versions", "cas_required", "delete_version_after", "custom_metadata")
    return {name: value for name in names if (value := getattr(key, name))}


def _shown(args: TransferArgs, key: Key) -> dict[str, Any]:
    return {"path": args.to, "current_version": key.current_version, "versions": len(key.versions)}
