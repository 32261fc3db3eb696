"""sys/locked-users: who is locked out after failed logins, and letting them in again."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.core.context import SystemContext
from strongroom.system.engine import system


class MountArgs(Args):
    """Whose logins."""

    mount_accessor: str = field("The accessor of the auth method; all of them without.")


class UnlockArgs(Args):
    """Whom to let in again."""

    mount_accessor: str = field("The accessor of the auth method.")
    alias_identifier: str = field("The name: a user, or a role id of AppRole.")


@system.read("locked-users")
async def locked_users(ctx: SystemContext, args: MountArgs) -> dict[str, Any]:
    """List who is locked out, by auth method."""
    names = ctx.live.lockouts.names(args.mount_accessor)
    total = sum(map(len, names.values()))
    mounts = [
        {"mount_accessor": accessor, "counts": len(found), "alias_identifiers": found}
        for accessor, found in names.items()
    ]
    namespace = {"namespace_id": "root", "namespace_path": "", "counts": total, "mount_accessors": mounts}
    return {"by_namespace": [namespace], "total": total}


@system.write("locked-users/{mount_accessor}/unlock/{alias_identifier:subpath}")
async def unlock(ctx: SystemContext, args: UnlockArgs) -> None:
    """Let somebody in again; one who is not locked out is no error."""
    mount = ctx.live.mounts.by_accessor(args.mount_accessor)
    if mount is not None:
        name = mount.engine.fold_alias(args.alias_identifier)
        ctx.after_commit(lambda: ctx.live.lockouts.forget(args.mount_accessor, name))
