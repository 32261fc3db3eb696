"""`sys/internal/inspect`: where mounts keep their data, for emergencies. Off unless `introspection_endpoint` is set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.core.context import SystemContext
from strongroom.core.mounts import AUTH, Mount
from strongroom.errors import BadRequest, UnsupportedPath
from strongroom.system.engine import system

#: By what the entries are sorted, for each tag.
ORDERS: Final[Mapping[str, str]] = {
    "root": "mount_path",
    "uuid": "uuid",
    "accessor": "accessor",
    "storage": "storage_prefix",
}


class TagArgs(Args):
    """In which order."""

    tag: str = field("`root` for the order of paths, or `uuid`, `accessor` or `storage`.")


@system.read("internal/inspect/router/{tag:segment}", sudo=True)
async def inspect_router(ctx: SystemContext, args: TagArgs) -> dict[str, Any]:
    """List where all mounts are served and stored. `sys/raw` reads what lies there."""
    if not ctx.core.config.introspection_endpoint:
        raise UnsupportedPath
    if args.tag not in ORDERS:
        raise BadRequest(f"invalid subsystem tag; known are {', '.join(ORDERS)}")
    entries = [_entry(ctx, mount) for mount in ctx.live.mounts]
    return {args.tag: sorted(entries, key=lambda entry: (entry[ORDERS[args.tag]], entry["uuid"]))}


def _entry(ctx: SystemContext, mount: Mount) -> dict[str, Any]:
    return {
        "accessor": mount.entry.accessor,
        "mount_namespace": "",
        "mount_path": mount.path.removeprefix(AUTH),
        "mount_type": mount.entry.type,
        "storage_prefix": mount.prefix,
        # Being taken down, and so found by no request.
        "tainted": ctx.live.mounts.find(mount.path) is None,
        "uuid": mount.entry.uuid,
    }
