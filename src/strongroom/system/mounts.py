"""Secret engines and auth methods: enable, list, tune, disable, move.

`sys/mounts` and `sys/auth` are the same endpoints over two halves of one table; `FAMILIES` has what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.mounts import AUTH, Mount, MountConfig, MountEntry, new_entry
from strongroom.core.unbroken import to_the_end
from strongroom.errors import BadRequest, NotFound, RequestError
from strongroom.system.engine import system
from strongroom.system.mount_config import (
    TTLS,
    check_version,
    common_changes,
    parse_config,
    parse_options,
    parse_ttl,
    shown_mount,
    shown_tuning,
)

TABLE_LOCK = "table"


@dataclass(frozen=True, slots=True)
class Family:
    """One half of the mount table."""

    root: str
    prefix: str
    kind: str
    sudo: bool
    missing: str


FAMILIES = (
    Family("mounts", "", "secret", sudo=False, missing="No secret engine mount at {}"),
    Family("auth", AUTH, "auth", sudo=True, missing="No auth engine at {}"),
)


class PathArgs(Args):
    """A mount's path."""

    path: str = field("The path of the mount.")


class EnableArgs(PathArgs):
    """What enabling takes."""

    type: str = field("The type of the engine or method.")
    description: str = field("Words for people.")
    config: dict[str, Any] = field("TTLs and the other settings that tuning can change.")
    options: dict[str, Any] = field("Options of this type of engine; KV takes a version.")
    local: bool = field("Kept on this cluster; there is no replication, so it is only remembered.")
    seal_wrap: bool = field("Only remembered: everything is encrypted alike.")
    external_entropy_access: bool = field("Only remembered.")
    plugin_name: str = field("The type, where `type` is `plugin`.")


class DisableArgs(PathArgs):
    """What disabling takes."""

    force: bool = field("Also when leases cannot be revoked: those are kept as irrevocable, and the mount is let go.")


class TuneArgs(PathArgs):
    """What tuning takes."""

    default_lease_ttl: Any = field("Default lease TTL; `system` for the server's own.")
    max_lease_ttl: Any = field("Longest lease TTL; `system` for the server's own.")
    description: str = field("Words for people.")
    audit_non_hmac_request_keys: Any = field("Request keys that the audit log leaves readable.")
    audit_non_hmac_response_keys: Any = field("Response keys that the audit log leaves readable.")
    listing_visibility: str = field("`unauth` shows the mount to those without a token; `hidden` does not.")
    passthrough_request_headers: Any = field("Headers that the engine may see.")
    allowed_response_headers: Any = field("Headers that the engine may set.")
    token_type: str = field("The type of tokens an auth method issues.")
    user_lockout_config: dict[str, Any] = field("When failed logins lock a name: lockout_threshold and so on.")
    options: dict[str, Any] = field("Options of this type of engine.")
    plugin_version: str = field("The version of the plugin; there is only the one that is installed.")


def _full(family: Family, path: str) -> str:
    return f"{family.prefix}{path.strip('/')}/"


def _short(path: str) -> str:
    return path.removeprefix(AUTH)


async def _listing(ctx: SystemContext, family: Family) -> Response:
    mounts = ctx.live.mounts.of(auth=family.kind == "auth")
    return Response(data={_short(m.path): shown_mount(m) for m in mounts}, flat=True)


async def _read(ctx: SystemContext, args: PathArgs, family: Family) -> Response:
    mount = ctx.live.mounts.by_path(_full(family, args.path))
    if mount is None:
        raise BadRequest(family.missing.format(_short(_full(family, args.path))))
    return Response(data=shown_mount(mount), flat=True)


async def _enable(ctx: SystemContext, args: EnableArgs, family: Family) -> None:
    path = _full(family, args.path)
    wanted = args.plugin_name if args.type == "plugin" else args.type
    if not wanted:
        raise BadRequest("backend type must be specified as a string")
    if family.kind == "auth" and wanted == "token":
        raise BadRequest("token credential backend cannot be instantiated")
    config = MountConfig(**parse_config(args.config, ctx.core.lease_ttls[1]))
    asked = parse_options(args.options)
    await ctx.lock("mounts", TABLE_LOCK)
    mounts = ctx.live.mounts
    try:
        mounts.check_free(path, auth=family.kind == "auth")
    except BadRequest as e:
        raise BadRequest(*(text.replace(" at auth/", " at ") for text in e.errors)) from None
    backend = ctx.core.catalog.find(family.kind, wanted)
    check_version(args.config.get("plugin_version"), backend)
    options: dict[str, str] | None = backend.prepare({**asked, **backend.aliases.get(wanted, {})})
    if not options and ctx.request.data.get("options", asked) is None:
        options = None  # clients that say so are told so
    entry = new_entry(
        path,
        backend.type,
        family.kind,
        description=args.description,
        options=options,
        local=args.local,
        seal_wrap=args.seal_wrap,
        external_entropy_access=args.external_entropy_access,
        config=config,
    )
    mounts.store(ctx.transaction, entry)
    ctx.after_commit(lambda: mounts.apply(entry))


async def _disable(ctx: SystemContext, args: DisableArgs, family: Family) -> None:
    path = _full(family, args.path)
    await ctx.lock("mounts", TABLE_LOCK)
    mounts = ctx.live.mounts
    mount = mounts.by_path(path)
    if mount is not None and not mount.backend.mountable:
        raise BadRequest(
            "token credential backend cannot be disabled" if family.kind == "auth" else f'cannot unmount "{path}"'
        )
    if mount is None:
        return
    entry = mount.entry

    async def end() -> None:
        mounts.discard(ctx.transaction, entry)
        await ctx.transaction.commit()
        mounts.remove(entry)

    await _take_down(ctx, mount, end, force=args.force)


async def _take_down(
    ctx: SystemContext, mount: Mount, end: Callable[[], Coroutine[Any, Any, None]], *, force: bool = False
) -> None:
    """Stop serving a mount, revoke what it has handed out, then `end`; if any of it fails the mount serves on.

    With `force` it is no failure that a lease cannot be revoked: it is parked. The engine must still be there to
    revoke, and nothing may be added meanwhile. What `end` makes durable and what it changes in memory belong together,
    so it is not broken off.
    """
    mounts = ctx.live.mounts
    await mounts.leave(mount)
    try:
        if force:
            parked = await ctx.live.leases.let_go(mount.path)
            if parked:
                ctx.warn(f"{parked} leases could not be revoked; they are kept as irrevocable")
        else:
            await ctx.live.leases.revoke_prefix(mount.path)
        await to_the_end(end())
    except RequestError as e:
        raise BadRequest(*e.errors, reason=e.reason) from e
    finally:
        mounts.stay(mount.path)


async def _read_tuning(ctx: SystemContext, args: PathArgs, family: Family) -> Response:
    path = _full(family, args.path)
    mount = ctx.live.mounts.by_path(path)
    if mount is None:
        raise BadRequest(f'cannot fetch sysview for path "{path}"')
    return Response(data=shown_tuning(mount), flat=True)


async def _tune(ctx: SystemContext, args: TuneArgs, family: Family) -> None:
    path = _full(family, args.path)
    await ctx.lock("mounts", TABLE_LOCK)
    mounts = ctx.live.mounts
    mount = mounts.by_path(path)
    if mount is None:
        raise BadRequest(f'tune of path "{path}" failed: no mount entry found')
    if not mount.backend.mountable and family.kind != "auth" and not path.startswith(AUTH):
        raise BadRequest(f'cannot tune "{path}"')
    given = {name: getattr(args, name) for name in args.given}
    _check_auth_only(mount, given)
    check_version(given.get("plugin_version"), mount.backend)
    changes = common_changes(given, mount.config.user_lockout)
    ttls = {name: parse_ttl(given[name]) for name in TTLS if name in given}
    _check_ttls(ctx, mount, ttls)
    entry = msgspec.structs.replace(mount.entry, config=msgspec.structs.replace(mount.config, **changes, **ttls))
    if "description" in given:
        entry = msgspec.structs.replace(entry, description=args.description)
    if args.options:
        entry = await _change_options(ctx, mount, entry, parse_options(args.options))
    if entry == mount.entry:
        return
    mounts.store(ctx.transaction, entry)
    ctx.after_commit(lambda: mounts.apply(entry))


def _check_auth_only(mount: Mount, given: dict[str, Any]) -> None:
    """Refuse what only auth methods have, or only some of them."""
    auth = mount.path.startswith(AUTH)
    if "token_type" in given:
        if not auth:
            raise BadRequest("'token_type' can only be modified on auth mounts")
        if not mount.backend.mountable:
            raise BadRequest("'token_type' cannot be set for 'token' or 'ns_token' auth mounts")
    if given.get("user_lockout_config") and not (auth and mount.engine.counts_logins):
        raise BadRequest(f'tuning of user lockout configuration for auth type "{mount.entry.type}" not allowed')


def _check_ttls(ctx: SystemContext, mount: Mount, ttls: dict[str, int]) -> None:
    if not ttls:
        return
    default = ttls.get("default_lease_ttl", mount.config.default_lease_ttl)
    top = ttls.get("max_lease_ttl", mount.config.max_lease_ttl) or ctx.core.lease_ttls[1]
    if default > top:
        raise BadRequest(f"backend max lease TTL of {top} would be less than backend default lease TTL of {default}")


async def _change_options(ctx: SystemContext, mount: Mount, entry: MountEntry, changes: dict[str, str]) -> MountEntry:
    """New options, once the engine agrees; what has to be converted is converted in this very request."""
    old = entry.options or {}
    new = mount.backend.prepare({**old, **changes})
    if new == old:
        return entry
    if mount.backend.upgrade is not None:
        upgrade = mount.backend.upgrade
        inner = ctx.for_mount(mount)
        await upgrade(inner, old, new)
        for text in inner.warnings:
            ctx.warn(text)
    return msgspec.structs.replace(entry, options=new)


def _declare(family: Family) -> None:
    """Declare one family's routes. The wrappers differ only in the family they pass on."""

    async def listing(ctx: SystemContext) -> Response:
        """List what is mounted."""
        return await _listing(ctx, family)

    async def read(ctx: SystemContext, args: PathArgs) -> Response:
        """Read one mount."""
        return await _read(ctx, args, family)

    async def enable(ctx: SystemContext, args: EnableArgs) -> None:
        """Mount an engine or method at a path."""
        await _enable(ctx, args, family)

    async def disable(ctx: SystemContext, args: DisableArgs) -> None:
        """Unmount: revoke its leases and tokens, and delete its data."""
        await _disable(ctx, args, family)

    async def read_tuning(ctx: SystemContext, args: PathArgs) -> Response:
        """Read a mount's settings."""
        return await _read_tuning(ctx, args, family)

    async def tune(ctx: SystemContext, args: TuneArgs) -> None:
        """Change a mount's settings; only what is named changes."""
        await _tune(ctx, args, family)

    root, sudo = family.root, family.sudo
    system.read(root)(listing)
    system.read(f"{root}/{{path:subpath}}/tune", sudo=sudo)(read_tuning)
    system.write(f"{root}/{{path:subpath}}/tune", sudo=sudo)(tune)
    system.read(f"{root}/{{path:subpath}}", sudo=sudo)(read)
    system.write(f"{root}/{{path:subpath}}", sudo=sudo)(enable)
    system.delete(f"{root}/{{path:subpath}}", sudo=sudo)(disable)


for _family in FAMILIES:
    _declare(_family)


class RemountArgs(Args):
    """From where to where."""

    source: str = field("The mount's path now.", aliases=("from",))
    to: str = field("Its new path.")


class MigrationArgs(Args):
    """A move."""

    id: str = field("The id that the move answered.")


@system.write("remount", sudo=True)
async def remount(ctx: SystemContext, args: RemountArgs) -> Response:
    """Move a mount to another path. Its leases are revoked; its data stays where it is."""
    source, target = f"{args.source.strip('/')}/", f"{args.to.strip('/')}/"
    if "/" in (source, target):
        raise BadRequest("both 'from' and 'to' path must be specified as a string")
    await ctx.lock("mounts", TABLE_LOCK)
    mounts = ctx.live.mounts
    auth = source.startswith(AUTH)
    if auth is not target.startswith(AUTH):
        raise BadRequest("cannot move a secret engine to an auth path, or the reverse")
    mount = mounts.by_path(source)
    if mount is None:
        raise BadRequest(f'no matching mount at "{source}"')
    if not mount.backend.mountable:
        raise BadRequest(f'cannot remount "{source}"')
    mounts.check_free(target, "remount", auth=auth)
    entry = msgspec.structs.replace(mount.entry, path=target)

    async def move() -> None:
        mounts.store(ctx.transaction, entry)
        await ctx.transaction.commit()
        mounts.apply(entry)

    await _take_down(ctx, mount, move)
    ctx.warn("The mount has been moved; its leases were revoked.")
    return Response(data={"migration_id": mounts.note_move(source, target)}, flat=True)


@system.read("remount/status/{id}")
async def remount_status(ctx: SystemContext, args: MigrationArgs) -> Response:
    """How a move went."""
    move = ctx.live.mounts.moves.get(args.id)
    if move is None:
        raise NotFound
    info = {"source_mount": move[0], "target_mount": move[1], "status": "success"}
    return Response(data={"migration_id": args.id, "migration_info": info})
