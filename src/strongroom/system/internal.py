"""What user interfaces and the command line ask before they act."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.api.openapi import document
from strongroom.core.context import SystemContext
from strongroom.core.mounts import Mount
from strongroom.errors import BadToken, PermissionDenied
from strongroom.system.engine import system
from strongroom.system.mount_config import shown_mount


class PathArgs(Args):
    """A path."""

    path: str = field("A path of the server, below its mount or not.")


@system.read("internal/ui/mounts", unauthenticated=True)
async def ui_mounts(ctx: SystemContext) -> Response:
    """The mounts that the caller may reach; without a token those that show themselves to everybody."""
    if ctx.request.token and ctx.token_entry is None:
        raise BadToken
    data: dict[str, dict[str, Any]] = {"auth": {}, "secret": {}}
    for mount in ctx.live.mounts:
        reachable = ctx.acl is not None and ctx.acl.allows_any(mount.path)
        if not reachable and mount.config.listing_visibility != "unauth":
            continue
        half = data["auth" if mount.path.startswith("auth/") else "secret"]
        half[mount.path.removeprefix("auth/")] = _public(mount) if ctx.acl is None else shown_mount(mount)
    return Response(data=data)


def _public(mount: Mount) -> dict[str, Any]:
    entry = mount.entry
    return {"description": entry.description, "options": entry.options or {}, "type": entry.type}


@system.read("internal/ui/mounts/{path:path}", unauthenticated=True)
async def ui_mount(ctx: SystemContext, args: PathArgs) -> Response:
    """The mount that serves a path, if the caller may reach anything there."""
    if ctx.acl is None:
        raise BadToken if ctx.request.token else PermissionDenied
    path = args.path.strip("/")
    found = ctx.live.mounts.find(path) or ctx.live.mounts.find(path + "/")
    if found is None or not ctx.acl.allows_any(found[0].path):
        # One text for both: which mounts there are is not for everybody.
        raise PermissionDenied(
            f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{path}/"'
        )
    mount = found[0]
    return Response(data={**shown_mount(mount), "path": mount.path})


@system.read("internal/ui/resultant-acl")
async def resultant_acl(ctx: SystemContext) -> Response:
    """The caller's rules as they result from all its policies."""
    if ctx.acl is None:
        raise PermissionDenied
    return Response(data=ctx.acl.rules())


@system.read("internal/specs/openapi")
async def openapi(ctx: SystemContext) -> Response:
    """The OpenAPI 3 description of what the caller may reach."""
    engines = {
        mount.path: mount.engine for mount in ctx.live.mounts if ctx.acl is not None and ctx.acl.allows_any(mount.path)
    }
    return Response(bare=document(engines))
