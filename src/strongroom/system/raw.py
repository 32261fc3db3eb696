"""`sys/raw`: the decrypted storage itself, for emergencies. Off unless `raw_storage_endpoint` is set.

What is written here is checked by nobody, and parts of the server that keep their state in memory see it only after the
next unsealing.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.core.context import SystemContext
from strongroom.core.recipients import BACKUP_KEY
from strongroom.core.seal_config import SEAL_CONFIG_KEY
from strongroom.errors import BadRequest, CorruptEntry, NotFound, UnsupportedPath
from strongroom.storage.barrier import KEYRING_KEY
from strongroom.storage.base import FENCE_KEY
from strongroom.system.engine import system

#: What lies beside the barrier: it is no plaintext, and a wrong byte in it could lock everybody out.
PROTECTED: Final = frozenset({KEYRING_KEY, FENCE_KEY, SEAL_CONFIG_KEY, BACKUP_KEY})


class PathArgs(Args):
    """A key."""

    path: str = field("The storage key.")


class ReadArgs(PathArgs):
    """A key to read."""

    encoding: str = field("`base64` for a value in base64; else it must be text.")
    compressed: bool = field("Taken for Vault's sake; it has no effect.", default=True)


class WriteArgs(ReadArgs):
    """A key to write."""

    value: str = field("The value.")
    compression_type: str = field("Taken for Vault's sake; it has no effect.")


async def _exists(ctx: SystemContext, args: PathArgs) -> bool:
    _allow(ctx, args.path, "write")
    try:
        return await ctx.transaction.get(args.path) is not None
    except CorruptEntry:
        return True  # and to be overwritten, perhaps


@system.read("raw/{path:subpath}", sudo=True)
async def read_raw(ctx: SystemContext, args: ReadArgs) -> dict[str, Any]:
    """Read a storage entry."""
    _allow(ctx, args.path, "read")
    _check(args.encoding)
    try:
        value = await ctx.transaction.get(args.path)
    except CorruptEntry:
        raise BadRequest(f"cannot read '{args.path}': it is damaged, or was not written through the barrier") from None
    if value is None:
        raise NotFound
    if args.encoding:
        return {"value": base64.b64encode(value).decode()}
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        raise BadRequest("the value is no text: read it with encoding=base64") from None


@system.list("raw/{path:path}", sudo=True)
async def list_raw(ctx: SystemContext, args: PathArgs) -> dict[str, Any]:
    """List the storage keys one level below a folder."""
    _allow(ctx, args.path, "list")
    keys = await ctx.transaction.list(args.path)
    if not keys:
        raise NotFound
    return {"keys": keys}


@system.write("raw/{path:subpath}", exists=_exists, sudo=True)
async def write_raw(ctx: SystemContext, args: WriteArgs) -> None:
    """Write a storage entry."""
    _allow(ctx, args.path, "write")
    _check(args.encoding)
    value = args.value.encode()
    if args.encoding:
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest("the value is not in base64") from None
    ctx.transaction.put(args.path, value)


@system.delete("raw/{path:subpath}", sudo=True)
async def delete_raw(ctx: SystemContext, args: PathArgs) -> None:
    """Delete a storage entry."""
    _allow(ctx, args.path, "delete")
    ctx.transaction.delete(args.path)


def _allow(ctx: SystemContext, path: str, verb: str) -> None:
    if not ctx.core.config.raw_storage_endpoint:
        raise UnsupportedPath
    if path in PROTECTED:
        raise BadRequest(f"cannot {verb} '{path}'")


def _check(encoding: str) -> None:
    if encoding not in ("", "base64"):
        raise BadRequest(f"invalid encoding type '{encoding[:32]}'")
