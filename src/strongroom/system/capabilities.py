"""What a token may do on paths."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.tokens import TokenEntry
from strongroom.errors import MULTI, BadRequest, InternalError, PermissionDenied
from strongroom.system.engine import system


class PathsArgs(Args):
    """The paths asked about."""

    paths: CommaList | None = field("The paths, as a list or with commas between.")
    path: CommaList | None = field("The older name of `paths`.", deprecated=True)

    @property
    def wanted(self) -> list[str]:
        """All paths asked about."""
        return self.paths or self.path or []


class TokenArgs(PathsArgs):
    """A token and paths."""

    token: str = field("The token asked about.")


class AccessorArgs(PathsArgs):
    """An accessor and paths."""

    accessor: str = field("The accessor of the token asked about.")


def _check(args: PathsArgs) -> None:
    if not args.wanted:
        raise BadRequest("paths must be supplied")
    if "" in args.wanted:
        raise BadRequest(MULTI.format("missing path"))


async def _answer(ctx: SystemContext, entry: TokenEntry, paths: list[str]) -> Response:
    acl = await ctx.live.identity.acl(entry)
    data: dict[str, Any] = {path: acl.capabilities(path) for path in paths}
    if len(paths) == 1:
        data["capabilities"] = data[paths[0]]
    return Response(data=data, flat=True)


@system.write("capabilities")
async def capabilities(ctx: SystemContext, args: TokenArgs) -> Response:
    """What a token may do on the paths."""
    _check(args)
    if not args.token:
        raise InternalError(MULTI.format("no token found"))
    entry = await ctx.live.tokens.lookup(args.token)
    if entry is None:
        raise BadRequest(MULTI.format("invalid token"))
    return await _answer(ctx, entry, args.wanted)


@system.write("capabilities-self")
async def capabilities_self(ctx: SystemContext, args: PathsArgs) -> Response:
    """What the caller's token may do on the paths."""
    _check(args)
    entry = ctx.token_entry
    if entry is None:
        raise PermissionDenied
    if entry.num_uses < 0:
        raise BadRequest(MULTI.format("invalid token"))
    return await _answer(ctx, entry, args.wanted)


@system.write("capabilities-accessor")
async def capabilities_accessor(ctx: SystemContext, args: AccessorArgs) -> Response:
    """What the token of an accessor may do on the paths."""
    if not args.accessor:
        raise BadRequest("missing accessor")
    _check(args)
    entry = await ctx.live.tokens.by_accessor(args.accessor)
    if entry is None:
        raise BadRequest(MULTI.format("invalid accessor"))
    return await _answer(ctx, entry, args.wanted)
