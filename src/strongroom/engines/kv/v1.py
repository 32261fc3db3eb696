"""KV version 1: one JSON object under each path, replaced whole. `upgrade.py` draws where it lies."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.context import Context
from strongroom.api.fields import Invalid, parse_duration
from strongroom.api.messages import Lease, Response
from strongroom.api.routes import Engine
from strongroom.engines.kv.upgrade import VALUES, refuse_if_upgraded
from strongroom.engines.values import ListArgs, PathArgs, body_of, check_writable, is_name, listing, names_below
from strongroom.errors import BadRequest, NotFound

LOCK: Final = "key"

kv1: Engine[Context] = Engine(
    "kv",
    free_form=True,
    help="Secrets without versions: what is written to a path replaces what was there.",
)


class _Terms(msgspec.Struct):
    """The fields of a value that say how long a reader may keep it."""

    ttl: Any = msgspec.UNSET
    lease: Any = msgspec.UNSET


_terms = msgspec.json.Decoder(_Terms).decode


def lease_duration(value: bytes, default: int) -> int:
    """Seconds that a value's field `ttl`, else `lease`, names; `default` when there is none that can be read."""
    terms = _terms(value)
    named = terms.lease if terms.ttl is msgspec.UNSET else terms.ttl
    if named is msgspec.UNSET:
        return default
    try:
        return max(int(parse_duration(named)), 0)
    except Invalid:
        return default


async def _exists(ctx: Context, args: PathArgs) -> bool:
    if not args.path:
        return False
    check_writable(args.path)
    # Held to the end of the request, so that what needed only `create` cannot overwrite.
    await ctx.lock(LOCK, args.path)
    return await ctx.storage.get(VALUES + args.path) is not None


@kv1.read("{path:path}", effectless=True)
async def read(ctx: Context, args: PathArgs) -> Any:
    """Read a secret."""
    value = await ctx.storage.get(VALUES + args.path) if is_name(args.path) else None
    if value is None:
        await refuse_if_upgraded(ctx.storage)
        raise NotFound
    duration = lease_duration(value, ctx.mount.default_lease_ttl)
    return Response(data=msgspec.Raw(value), lease=Lease(duration=duration))


@kv1.list("{path:path}")
async def list_(ctx: Context, args: ListArgs) -> Any:
    """List the names in a folder; folders end in a slash."""
    return listing(await names_below(ctx.storage, VALUES, args))


@kv1.write("{path:path}", exists=_exists)
async def write(ctx: Context, args: PathArgs) -> None:
    """Keep the request's body as the secret, in place of what was there."""
    if not args.path:
        raise BadRequest("missing path")
    check_writable(args.path)
    value = body_of(ctx.request)
    await ctx.lock(LOCK, args.path)
    await refuse_if_upgraded(ctx.storage)
    ctx.storage.put(VALUES + args.path, value)


@kv1.delete("{path:path}")
async def delete(ctx: Context, args: PathArgs) -> None:
    """Delete a secret, if it is there."""
    if is_name(args.path):
        await ctx.lock(LOCK, args.path)
        await refuse_if_upgraded(ctx.storage)
        ctx.storage.delete(VALUES + args.path)
