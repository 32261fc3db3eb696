"""Reading, writing, patching and deleting the newest version; reading any."""

from __future__ import annotations

from typing import Any

import msgspec

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.fields import RawObject
from strongroom.api.messages import Response
from strongroom.engines.kv.v2.access import note_read
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import add, check_cas, claim, exists, load_config, read_version, save
from strongroom.engines.kv.v2.merge import merge_patch
from strongroom.engines.kv.v2.model import delete_versions
from strongroom.engines.values import PathArgs, check_writable
from strongroom.errors import BadRequest, NotFound

NULL = b"null"
EMPTY = b"{}"


class VersionArgs(PathArgs):
    """A secret and one of its versions."""

    version: int = field("The version to read; 0 for the newest. Writing and deleting ignore it.")


class WriteArgs(VersionArgs):
    """A secret's new content."""

    data: RawObject = field("The secret: an object, which is given back as it was written.")
    options: dict[str, Any] = field("`cas`: write only if this is the newest version's number; 0 for a new key.")


@kv2.read("data/{path:path}", effectless=True)
async def read(ctx: Context, args: VersionArgs) -> Any:
    """Read a version of a secret.

    A version that is deleted or destroyed answers 404 with its metadata.
    """
    found = await read_version(ctx, args.path, args.version)
    if found is None:
        raise NotFound
    data = {"data": found.value, "metadata": found.metadata}
    if found.value is None:
        return Response(status=404, data=data)
    note_read(ctx, args.path, found)
    return data


@kv2.write("data/{path:path}", exists=exists, light=True)
async def write(ctx: Context, args: WriteArgs) -> Any:
    """Write a secret's next version."""
    value = _given(args, NULL)
    check_writable(args.path)
    key = await claim(ctx, args.path)
    config = await load_config(ctx)
    check_cas(args.options, key, config)
    return add(ctx, args.path, key, config, value)


@kv2.patch("data/{path:path}", light=True)
async def patch(ctx: Context, args: WriteArgs) -> Any:
    """Write a secret's next version by merging an object into the newest (RFC 7396).

    Needs a newest version that can be read: an unknown key answers 404, a deleted or destroyed version 404 with its
    metadata.
    """
    changes = _given(args, EMPTY)
    check_writable(args.path)
    key = await claim(ctx, args.path)
    if key is None:
        return Response(status=404)
    config = await load_config(ctx)
    check_cas(args.options, key, config)
    newest = await read_version(ctx, args.path, 0)
    if newest is None:
        return Response(status=404)
    if newest.value is None:
        return Response(status=404, data=newest.metadata)
    return add(ctx, args.path, key, config, bytes(merge_patch(newest.value, msgspec.Raw(changes))))


@kv2.delete("data/{path:path}", light=True)
async def delete(ctx: Context, args: VersionArgs) -> None:
    """Delete the newest version of a secret; it can be brought back."""
    key = await claim(ctx, args.path)
    if key is not None:
        changed = delete_versions(key, [key.current_version], ctx.clock.now_ns())
        if changed is not key:
            save(ctx, args.path, changed)


def _given(args: WriteArgs, null: bytes) -> bytes:
    """The object that the request names, `null` in place of one that is null."""
    if "data" not in args.given:
        raise BadRequest("no data provided")
    # None is what an explicit null is read as.
    return bytes(args.data) if args.data is not None else null
