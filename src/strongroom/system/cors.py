"""`sys/config/cors`: which web origins may use the server from a browser."""

from __future__ import annotations

from functools import partial
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.system.engine import system


class CorsArgs(Args):
    """Who may, and with which headers."""

    allowed_origins: CommaList = field("The origins that are allowed, such as https://vault.example; * alone for all.")
    allowed_headers: CommaList = field("Request headers that scripts may send beside the usual ones.")


@system.read("config/cors", sudo=True)
async def read_cors(ctx: SystemContext) -> Response:
    """Tell which web origins are allowed."""
    cors = ctx.live.cors
    shown: dict[str, Any] = {"enabled": cors.enabled}
    if cors.enabled:
        shown |= {"allowed_origins": list(cors.origins), "allowed_headers": list(cors.headers)}
    return Response(data=shown, flat=True)


@system.write("config/cors", sudo=True)
async def write_cors(ctx: SystemContext, args: CorsArgs) -> None:
    """Allow web origins, and refuse every request from another one.

    Requests without an `Origin`, from programs and not from browsers' scripts, are not concerned.
    """
    for name in args.allowed_headers:
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise BadRequest(f"{name[:64]!r} is no header name")
    await ctx.lock("config", "cors")
    entry = ctx.live.cors.store(ctx.transaction, list(filter(None, args.allowed_origins)), args.allowed_headers)
    ctx.after_commit(partial(ctx.live.cors.apply, entry))


@system.delete("config/cors", sudo=True)
async def delete_cors(ctx: SystemContext) -> None:
    """Look at origins no more."""
    await ctx.lock("config", "cors")
    ctx.after_commit(partial(ctx.live.cors.apply, ctx.live.cors.disable(ctx.transaction)))
