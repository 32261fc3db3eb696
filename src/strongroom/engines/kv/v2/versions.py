"""Deleting, bringing back and destroying versions by their numbers."""

from __future__ import annotations

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.fields import IntList
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import claim, drop_data, load_config, save
from strongroom.engines.kv.v2.model import delete_versions, destroy_versions, undelete_versions
from strongroom.engines.values import PathArgs, check_writable
from strongroom.errors import BadRequest


class NumbersArgs(PathArgs):
    """A secret and some of its versions; numbers that it does not have are passed over."""

    versions: IntList = field("The numbers of the versions.")


@kv2.write("delete/{path:path}")
async def delete(ctx: Context, args: NumbersArgs) -> None:
    """Delete versions of a secret; they can be brought back."""
    _check(args, "No version number provided")
    key = await claim(ctx, args.path)
    if key is not None:
        changed = delete_versions(key, args.versions, ctx.clock.now_ns())
        if changed is not key:
            save(ctx, args.path, changed)


@kv2.write("undelete/{path:path}")
async def undelete(ctx: Context, args: NumbersArgs) -> None:
    """Bring deleted versions of a secret back.

    Where versions are deleted after a delay, it starts again.
    """
    _check(args, "No version number provided")
    key = await claim(ctx, args.path)
    if key is not None:
        changed = undelete_versions(key, await load_config(ctx), args.versions, ctx.clock.now_ns())
        if changed is not key:
            save(ctx, args.path, changed)


@kv2.write("destroy/{path:path}")
async def destroy(ctx: Context, args: NumbersArgs) -> None:
    """Destroy versions of a secret: their data is removed for good."""
    _check(args, "no version number provided")
    key = await claim(ctx, args.path)
    if key is not None:
        changed, numbers = destroy_versions(key, args.versions)
        if numbers:
            drop_data(ctx, key, numbers)
            save(ctx, args.path, changed)


def _check(args: NumbersArgs, none: str) -> None:
    if not args.versions:
        raise BadRequest(none)
    check_writable(args.path)
