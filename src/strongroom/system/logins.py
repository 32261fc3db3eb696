"""sys/internal/logins: when the roles and users of an auth method have logged in last."""

from __future__ import annotations

from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.messages import Timestamp
from strongroom.core.context import SystemContext
from strongroom.core.logins import Login
from strongroom.core.mounts import Mount
from strongroom.errors import BadRequest, NotFound
from strongroom.system.engine import system

PAGE: Final = 1000


class MountArgs(Args):
    """At which auth method."""

    path: str = field("The auth method's path, with or without auth/.")


class RoleArgs(MountArgs):
    """Whose login."""

    role: str = field("The role, or the user.", required="missing role")


class PageArgs(MountArgs):
    """Which part of the roles."""

    after: str = field("Only roles that come after this one.")
    limit: int = field(f"At most this many roles, and at most {PAGE}.", default=PAGE)


@system.list("internal/logins/{path:subpath}")
async def list_logins(ctx: SystemContext, args: PageArgs) -> dict[str, Any]:
    """List the roles that have logged in, by name, each with its last login."""
    mount, logins = auth_mount(ctx, args.path), ctx.live.logins
    limit = args.limit if 0 < args.limit < PAGE else PAGE
    info: dict[str, Any] = {}
    for role in await logins.roles(ctx.transaction, mount, args.after, limit):
        login = await logins.of(ctx.transaction, mount, role)
        if login is not None:
            info[role] = _shown(login)
    if not info:
        raise NotFound
    return {"keys": list(info), "key_info": info}


@system.read("internal/logins/{path:subpath}")
async def read_login(ctx: SystemContext, args: RoleArgs) -> dict[str, Any]:
    """Read a role's last login."""
    login = await ctx.live.logins.of(ctx.transaction, auth_mount(ctx, args.path), args.role)
    if login is None:
        raise NotFound
    return _shown(login)


@system.delete("internal/logins/{path:subpath}")
async def forget_login(ctx: SystemContext, args: RoleArgs) -> None:
    """Forget a role's logins, such as those of one that was deleted."""
    if "/" not in args.role:
        await ctx.live.logins.forget(auth_mount(ctx, args.path), args.role)


def auth_mount(ctx: SystemContext, path: str) -> Mount:
    """The auth method at a path that may begin with `auth/`; raises `BadRequest`."""
    name = path.strip("/").removeprefix("auth/")
    mount = ctx.live.mounts.by_path(f"auth/{name}/")
    if mount is None:
        raise BadRequest(f"no auth method is enabled at {name[:128]}/")
    return mount


def _shown(login: Login) -> dict[str, Any]:
    return {
        "entity_id": login.entity_id,
        "last_login_time": Timestamp(login.last_ns),
        "logins": login.count,
        "remote_address": login.remote_address,
    }
