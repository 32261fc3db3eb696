"""The cubbyhole: a small store that belongs to one token and goes with it.

Layout, below the mount:

    <the token's key>/<path>    the JSON object, as it was written

Nobody else reaches it, not even root: the key comes from the caller's own token and never from the request. The server
removes a token's folder together with the token. A wrapped answer waits as `response` in the cubbyhole of its wrapping
token, in this same form.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.backend import Backend, backend
from strongroom.api.context import Context
from strongroom.api.messages import Response
from strongroom.api.routes import Engine
from strongroom.engines.values import ListArgs, PathArgs, body_of, check_writable, is_name, listing, names_below
from strongroom.errors import BadRequest, NotFound, PermissionDenied

#: Who holds nothing but this policy came for a wrapped answer.
WRAPPING_POLICY: Final = "response-wrapping"

DEPRECATED: Final = (
    "Reading from 'cubbyhole/response' is deprecated. Please use sys/wrapping/unwrap to unwrap responses, "
    "as it provides additional security checks and other benefits."
)

cubbyhole: Engine[Context] = Engine(
    "cubbyhole",
    free_form=True,
    help="Secrets that belong to the token that wrote them: no other token sees them, and they end with it.",
)


def _folder(ctx: Context) -> str:
    caller = ctx.caller
    if caller.type != "service":
        raise BadRequest('cubbyhole operations are only supported by "service" type tokens')
    if not caller.key:
        raise PermissionDenied(reason="the request has no token whose cubbyhole it could be")
    return caller.key + "/"


async def _exists(ctx: Context, args: PathArgs) -> bool:
    if not args.path:
        return False
    check_writable(args.path)
    return await ctx.storage.get(_folder(ctx) + args.path) is not None


@cubbyhole.read("{path:path}")
async def read(ctx: Context, args: PathArgs) -> Any:
    """Read a secret of the token's own."""
    folder = _folder(ctx)
    value = await ctx.storage.get(folder + args.path) if is_name(args.path) else None
    if value is None:
        raise NotFound
    if args.path == "response" and ctx.caller.policies == (WRAPPING_POLICY,):
        ctx.warn(DEPRECATED)
    return Response(data=msgspec.Raw(value))


@cubbyhole.list("{path:path}")
async def list_(ctx: Context, args: ListArgs) -> Any:
    """List the names in a folder; folders end in a slash."""
    return listing(await names_below(ctx.storage, _folder(ctx), args))


@cubbyhole.write("{path:path}", exists=_exists)
async def write(ctx: Context, args: PathArgs) -> None:
    """Keep the request's body as a secret of the token's own, in place of what was there."""
    folder = _folder(ctx)
    if not args.path:
        raise BadRequest("missing path")
    check_writable(args.path)
    ctx.storage.put(folder + args.path, body_of(ctx.request))


@cubbyhole.delete("{path:path}")
async def delete(ctx: Context, args: PathArgs) -> None:
    """Delete a secret of the token's own, if it is there."""
    folder = _folder(ctx)
    if is_name(args.path):
        ctx.storage.delete(folder + args.path)


BACKEND: Final[Backend] = backend(cubbyhole, mountable=False)
