"""sys/wrapping: putting data aside, looking at, renewing and fetching what is put aside."""

from __future__ import annotations

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.token_model import TokenEntry
from strongroom.errors import BadRequest
from strongroom.system.engine import system


class WrappingToken(Args):
    """Which wrapping token is meant."""

    token: str = field("The wrapping token; without it the request's own token is meant.")


@system.write("wrapping/wrap", free_form=True)
async def wrap(ctx: SystemContext) -> Response:
    """Wrap the given data: it comes back from unwrap as it was sent."""
    if not ctx.request.wrap_ttl:
        raise BadRequest("endpoint requires response wrapping to be used")
    return Response(data=msgspec.Raw(msgspec.json.encode(ctx.request.raw or ctx.request.data)))


@system.write("wrapping/lookup", unauthenticated=True, wrapping=True)
async def lookup_other(ctx: SystemContext, args: WrappingToken) -> Response:
    """Look up where a wrapping token's answer came from, and until when it waits. It stays unspent."""
    return Response(data=await ctx.live.wrapping.lookup(args.token, _own(ctx, args)))


@system.read("wrapping/lookup", unauthenticated=True, wrapping=True)
async def lookup_own(ctx: SystemContext, args: WrappingToken) -> Response:
    """Look up the wrapping token that the request carries."""
    return Response(data=await ctx.live.wrapping.lookup(args.token, _own(ctx, args)))


@system.write("wrapping/unwrap", wrapping=True, no_wrap=True)
async def unwrap(ctx: SystemContext, args: WrappingToken) -> Response:
    """Fetch the wrapped answer. It works once."""
    return await ctx.live.wrapping.unwrap(args.token, _own(ctx, args))


@system.write("wrapping/rewrap", wrapping=True, no_wrap=True)
async def rewrap(ctx: SystemContext, args: WrappingToken) -> Response:
    """Exchange a wrapping token for a new one with the same answer and the full time to wait."""
    return Response(wrap=await ctx.live.wrapping.rewrap(args.token, _own(ctx, args)))


def _own(ctx: SystemContext, args: WrappingToken) -> TokenEntry | None:
    """The request's own token when it is the one that is meant, by name or by silence."""
    own = ctx.token_entry
    if own is None or (args.token and ctx.live.tokens.key_of(args.token) != own.key):
        return None
    args.token = ""
    return own
